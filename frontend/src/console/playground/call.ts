/** From what stands in the playground's fields to the body of the call, which is sent and shown alike. */
import type { CallBody, Json } from "./snippets";

export const MESSAGE_ROLES = ["user", "assistant"] as const;

export interface DraftMessage {
  role: (typeof MESSAGE_ROLES)[number];
  content: string;
}

/** Everything as it is written; an empty text leaves the choice to the server. */
export interface Draft {
  model: string;
  system: string;
  messages: DraftMessage[];
  temperature: string;
  topP: string;
  maxTokens: string;
  seed: string;
  /** One a line. */
  stop: string;
  /** A JSON list of tools. */
  tools: string;
  /** A JSON schema for the answer. */
  schema: string;
  stream: boolean;
}

export type DraftField = "temperature" | "topP" | "maxTokens" | "seed" | "tools" | "schema";
export type DraftErrors = Partial<Record<DraftField, "number" | "list" | "object">>;

export function bodyOf(draft: Draft): { body: CallBody; errors: DraftErrors } {
  const errors: DraftErrors = {};
  const messages: Json[] = draft.messages.map(({ role, content }) => ({ role, content }));
  if (draft.system.trim() !== "") messages.unshift({ role: "system", content: draft.system });
  const body: CallBody = { model: draft.model, messages };

  const setNumber = (name: string, field: "temperature" | "topP" | "maxTokens" | "seed") => {
    const text = draft[field].trim().replace(",", ".");
    if (text === "") return;
    const value = Number(text);
    if (Number.isFinite(value)) body[name] = value;
    else errors[field] = "number";
  };
  setNumber("temperature", "temperature");
  setNumber("top_p", "topP");
  setNumber("max_tokens", "maxTokens");
  setNumber("seed", "seed");

  const stop = draft.stop.split("\n").filter((line) => line !== "");
  if (stop.length > 0) body.stop = stop;
  if (draft.tools.trim() !== "") {
    const tools = parsed(draft.tools);
    if (Array.isArray(tools)) body.tools = tools;
    else errors.tools = "list";
  }
  if (draft.schema.trim() !== "") {
    const schema = parsed(draft.schema);
    if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) {
      body.response_format = { type: "json_schema", json_schema: { name: "answer", schema } };
    } else errors.schema = "object";
  }
  if (draft.stream) body.stream = true;
  return { body, errors };
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
