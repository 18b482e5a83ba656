/** What the dialog of assistants is given. */
import type { ModelCard } from "../../api/types";
import type { Agent } from "./agents";

export interface Assistants {
  models: readonly ModelCard[];
  onStart: (agent: Agent) => void;
}
