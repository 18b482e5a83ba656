/** The server's bodies under the words that the pages use. */
import type { Model } from "./schema";

export type {
  LimitReached,
  Me,
  SessionBody as SessionInfo,
  SessionUser as User,
  SessionWorkspace as Place,
  UsageBody as Usage,
} from "./schema";

export type ModelCard = Model & { scorecard?: Scorecard | null };

/** A figure, and the range that holds the true one with 95% confidence. */
export interface Measure {
  value: number;
  low: number | null;
  high: number | null;
  count: number;
}

/** What was measured of a model on the server, in up to five languages. */
export interface Scorecard {
  measured: string;
  languages: { language: string; bits_per_byte: Measure | null; accuracy: Record<string, Measure> }[];
}

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}
