import type { MemorySource } from "../../api/schema";

/** What the dialog begins with. */
export interface Opening {
  /** A text to remember, and the message that it is from. */
  text?: string;
  source?: MemorySource | null;
  /** The entries that an answer used: only these are shown at first. */
  used?: readonly string[];
}
