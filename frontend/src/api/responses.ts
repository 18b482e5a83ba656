/** Answers that the server owns: begun, followed from any event on, ended. */
import { isOfRestart, isOfStorage, isOfUpstream, loadRefusals, Problem, type ProblemKind } from "./problem";
import { call, postJson } from "./server";
import type { IncompleteDetails, ResponseBody, ResponseError, ResponseUsage } from "./schema";
import { inTime, serverSentData } from "./stream";

export interface SentMessage {
  role: "user" | "assistant";
  content: string;
}

export interface ResponseRequest {
  model: string;
  /** Without any, the question at the place is answered once more. */
  input: string | SentMessage[];
  /** What the answer begins with. */
  prefix?: string;
  instructions?: string;
  /** `request_id`: it is answered once, however often it arrives. */
  conversation?: { id: string; parent_id: string | null; request_id: string };
  background?: boolean;
  store?: boolean;
  truncation?: "auto";
  max_output_tokens?: number;
  temperature?: number;
  tools?: { type: "file_search"; vector_store_ids: string[] }[];
}

/** What a text says of its parts, such as the passages that it cites. */
export type Annotation = Record<string, unknown>;

/** What an answer is once it has ended, or as far as it is. */
export interface AnswerEnd {
  status: string;
  model: string;
  usage: ResponseUsage | null;
  error: ResponseError | null;
  incomplete: IncompleteDetails | null;
  /** Its text as the server has it. */
  text: string;
  thoughts: string;
  annotations: Annotation[];
  firstId: string | null;
  leafId: string | null;
}

export type ResponseEvent = { number: number } & (
  | { type: "begun"; id: string; model: string }
  /** One or more pieces of the answer that arrived together; the number is the last one's. */
  | { type: "text"; text: string; pieces: number }
  | { type: "thought"; text: string; pieces: number }
  | { type: "annotation"; annotation: Annotation }
  | { type: "searched" }
  | { type: "end"; end: AnswerEnd }
  | { type: "other" }
);

/** The server says at least every 10 seconds that it is there. */
const SILENCE_MS = 35_000;
/** Longer than it searches documents before it begins. */
const BEGINNING_MS = 60_000;

/** Begins an answer and yields its events. Throws a Problem where it is refused or breaks off. */
export async function* beginResponse(
  request: ResponseRequest,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, void> {
  yield* eventsOf(await postJson("/v1/responses", { ...request, stream: true }, { signal }), signal);
}

/** The events of an answer after the one with this number, as they come; -1 for all. */
export async function* followResponse(
  id: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, void> {
  yield* watched((own) => call(`${path(id)}?stream=true&starting_after=${after}`, { signal: own }), signal);
}

/** The same as `beginResponse`, for an answer that is found again where its connection falls silent. */
export async function* beginStoredResponse(
  request: ResponseRequest,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, void> {
  yield* watched((own) => postJson("/v1/responses", { ...request, stream: true }, { signal: own }), signal);
}

/** The events of an answer. A connection on which nothing comes is given up. */
async function* watched(
  begin: (signal: AbortSignal) => Promise<Response>,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, void> {
  const connection = new AbortController();
  const own = AbortSignal.any([signal, connection.signal]);
  try {
    yield* eventsOf(await inTime(begin(own), BEGINNING_MS), own, SILENCE_MS);
  } finally {
    connection.abort();
  }
}

/** The answer as it is now. */
export async function readResponse(id: string, signal?: AbortSignal): Promise<AnswerEnd> {
  const body = (await (await call(path(id), signal ? { signal } : {})).json()) as ResponseBody;
  if (body.error !== null) await loadRefusals();
  return endOf(body);
}

/** Ends an answer; what has arrived stays stored. */
export async function cancelResponse(id: string): Promise<void> {
  await postJson(`${path(id)}/cancel`, {});
}

/** Why an answer of a model's failed, as a person is told. An answer's error has no values: all that name one name it. */
export function problemOfAnswer(error: ResponseError, model: string): Problem {
  return new Problem(kindOfAnswer(error.code), error.message, {
    code: error.code,
    type: error.code, // which it is where there is no code
    values: { name: model },
  });
}

const OF_ENGINE = ["engine_failed", "server_error", ""];

function kindOfAnswer(code: string): ProblemKind {
  if (code === "overloaded" || code === "upstream_overloaded") return "overloaded";
  if (code === "context_length_exceeded") return "context";
  if (isOfRestart(code)) return "restarted";
  if (isOfStorage(code)) return "unsaved";
  if (isOfUpstream(code)) return "upstream";
  return OF_ENGINE.includes(code) ? "engine" : "invalid";
}

function path(id: string): string {
  return `/v1/responses/${encodeURIComponent(id)}`;
}

interface RawEvent {
  type: string;
  sequence_number: number;
  delta?: string;
  annotation?: Annotation;
  response?: ResponseBody;
}

const ENDS = ["completed", "incomplete", "failed", "cancelled"].map((status) => `response.${status}`);

async function* eventsOf(
  response: Response,
  signal: AbortSignal,
  silence?: number,
): AsyncGenerator<ResponseEvent, void, void> {
  for await (const arrived of serverSentData(response, signal, silence)) {
    const done = arrived.indexOf("[DONE]");
    for (const event of joined(done < 0 ? arrived : arrived.slice(0, done))) {
      if (event.type === "end" && event.end.error !== null) await loadRefusals();
      yield event;
    }
    if (done >= 0) return;
  }
}

/** The events, with neighbouring pieces of one text as one: each event costs what it costs, however long it is. */
function* joined(arrived: readonly string[]): Generator<ResponseEvent, void, void> {
  let pieces: (ResponseEvent & { type: "text" | "thought" }) | null = null;
  for (const data of arrived) {
    const event = eventOf(data);
    if (pieces !== null && event.type === pieces.type) {
      pieces.text += event.text;
      pieces.number = event.number;
      pieces.pieces++;
      continue;
    }
    if (pieces !== null) yield pieces;
    pieces = null;
    if (event.type === "text" || event.type === "thought") pieces = event;
    else yield event;
  }
  if (pieces !== null) yield pieces;
}

function eventOf(data: string): ResponseEvent {
  let raw: RawEvent;
  try {
    raw = JSON.parse(data) as RawEvent;
  } catch {
    throw new Problem("interrupted", "the stream is damaged");
  }
  const number = raw.sequence_number;
  if (typeof raw.type !== "string" || typeof number !== "number") {
    throw new Problem("interrupted", "the stream is damaged");
  }
  if (raw.type === "response.output_text.delta") return { type: "text", number, text: raw.delta ?? "", pieces: 1 };
  if (raw.type === "response.reasoning_text.delta")
    return { type: "thought", number, text: raw.delta ?? "", pieces: 1 };
  if (raw.type === "response.output_text.annotation.added") {
    return { type: "annotation", number, annotation: raw.annotation ?? {} };
  }
  if (raw.type === "response.file_search_call.completed") return { type: "searched", number };
  if (raw.response !== undefined && raw.type === "response.created") {
    return { type: "begun", number, id: raw.response.id, model: raw.response.model };
  }
  if (raw.response !== undefined && ENDS.includes(raw.type)) return { type: "end", number, end: endOf(raw.response) };
  return { type: "other", number };
}

function endOf(body: ResponseBody): AnswerEnd {
  const texts: string[] = [];
  const thoughts: string[] = [];
  const annotations: Annotation[] = [];
  for (const item of body.output) {
    if (item.type === "message") {
      texts.push(item.content.map((part) => ("text" in part ? part.text : "")).join(""));
      annotations.push(...item.content.flatMap((part) => ("annotations" in part ? part.annotations : [])));
    }
    if (item.type === "reasoning") thoughts.push(item.content.map((part) => part.text).join(""));
  }
  return {
    status: body.status,
    model: body.model,
    usage: body.usage,
    error: body.error,
    incomplete: body.incomplete_details,
    text: texts.join("\n\n"),
    thoughts: thoughts.join("\n\n"),
    annotations,
    firstId: body.output[0]?.id ?? null,
    leafId: body.output.at(-1)?.id ?? null,
  };
}
