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
  /** Fields of the body for which the page has no control, such as a saved prompt's `top_k`. */
  others: CallBody;
}

export type DraftField = "temperature" | "topP" | "maxTokens" | "seed" | "tools" | "schema";
export type DraftErrors = Partial<Record<DraftField, "number" | "list" | "object">>;

export function emptyDraft(model: string): Draft {
  return {
    model,
    system: "",
    messages: [{ role: "user", content: "" }],
    temperature: "",
    topP: "",
    maxTokens: "",
    seed: "",
    stop: "",
    tools: "",
    schema: "",
    stream: true,
    others: {},
  };
}

export function bodyOf(draft: Draft): { body: CallBody; errors: DraftErrors } {
  const errors: DraftErrors = {};
  const messages: Json[] = draft.messages.map(({ role, content }) => ({ role, content }));
  if (draft.system.trim() !== "") messages.unshift({ role: "system", content: draft.system });
  const body: CallBody = { model: draft.model, messages, ...draft.others };

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

/** The draft whose body these messages and settings are: the inverse of `bodyOf`. */
export function draftOf(messages: readonly { role: string; content: string }[], settings: CallBody): Draft {
  const { model, temperature, top_p, max_tokens, seed, stop, tools, response_format, stream, ...others } = settings;
  const draft = emptyDraft(typeof model === "string" ? model : "");
  draft.system = messages.flatMap(({ role, content }) => (role === "system" ? [content] : [])).join("\n\n");
  draft.messages = messages.flatMap(({ role, content }) =>
    role === "user" || role === "assistant" ? [{ role, content }] : [],
  );
  const numberText = (value: Json | undefined) => (typeof value === "number" ? String(value) : "");
  draft.temperature = numberText(temperature);
  draft.topP = numberText(top_p);
  draft.maxTokens = numberText(max_tokens);
  draft.seed = numberText(seed);
  if (stop != null) draft.stop = [stop].flat().map(String).join("\n");
  if (tools !== undefined) draft.tools = JSON.stringify(tools, null, 2);
  const schema = schemaOf(response_format);
  if (schema !== undefined) draft.schema = JSON.stringify(schema, null, 2);
  else if (response_format !== undefined) others.response_format = response_format;
  draft.stream = stream === true;
  draft.others = others;
  return draft;
}

/** A draft that this browser kept; null for what is none. */
export function keptDraft(value: unknown): Draft | null {
  if (typeof value !== "object" || value === null) return null;
  const plain = emptyDraft("");
  const draft = value as Record<string, unknown>;
  const fits = Object.entries(plain).every(([name, standard]) => typeof draft[name] === typeof standard);
  const isMessage = (each: unknown) =>
    typeof each === "object" &&
    each !== null &&
    "content" in each &&
    typeof each.content === "string" &&
    "role" in each &&
    MESSAGE_ROLES.some((role) => role === each.role);
  return fits && Array.isArray(draft.messages) && draft.messages.every(isMessage) ? (value as Draft) : null;
}

function schemaOf(format: Json | undefined): Json | undefined {
  const fields = (value: Json | undefined) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  return fields(fields(format).json_schema).schema;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
