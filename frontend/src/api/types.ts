/** The parts of the server's contracts that the page reads. Optional means: an upstream's card may lack it. */

export interface ModelCard {
  id: string;
  name?: string | null;
  description?: string | null;
  parameters?: number | null;
  languages?: string[] | null;
  license?: string | null;
  size_bytes?: number | null;
  max_context_length?: number | null;
  loaded?: boolean;
  /** Who computes its answers: an upstream's name, unless `local`. */
  owned_by?: string;
  /** False where what is asked of it leaves the server's machine. */
  local?: boolean;
  capabilities?: { completion_chat?: boolean };
}

export interface User {
  id: string;
  name: string;
  email: string | null;
  /** In the organization. */
  role: string;
  has_password: boolean;
}

export interface Place {
  id: string;
  name: string;
  /** In the workspace; null where only the role in the organization reaches. */
  role: string | null;
}

export interface SessionInfo {
  user: User;
  /** `operates`: it runs the server, which all others share. */
  organization: { id: string; name: string; operates: boolean };
  workspace: Place | null;
  workspaces: readonly Place[];
  /** What would be allowed now, in the workspace or in the organization as a whole. */
  permissions: readonly string[];
}

export interface ChatMessage {
  role: "user" | "assistant";
  content: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
}

export type FinishReason = "stop" | "length" | (string & {});
