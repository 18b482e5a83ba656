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
  capabilities?: { completion_chat?: boolean };
}

export interface User {
  name: string;
  role: string;
}

export interface ChatMessage {
  role: "user" | "assistant";
  content: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

export type FinishReason = "stop" | "length" | (string & {});
