/** What can go wrong between the page and the server, as the page tells it to a person. */
import { loadTexts, t, type Values } from "../i18n/catalogue.svelte";
import type { Said } from "./refusals";
import type { LimitReached } from "./types";

export type ProblemKind =
  | "unreachable" // no answer at all
  | "interrupted" // the stream broke off
  | "engine" // the server is up, its engine is not
  | "upstream" // the model's server elsewhere failed, or can't be reached
  | "overloaded" // there is no room now
  | "restarted" // the server was stopped, or killed, while it answered
  | "unsaved" // nothing can be saved: the server's disk is full, or its database is away
  | "limit" // a limit or a budget refused it: `Problem.limit` says which
  | "context" // prompt and answer do not fit the model
  | "model" // unknown or removed model
  | "signedOut"
  | "forbidden" // signed in, without the right
  | "invalid"; // anything else that the server refused

interface Details {
  retryAfter?: number | null;
  limit?: LimitReached | null;
  param?: string | null;
  type?: string;
  code?: string;
  values?: Values;
}

/** The code of the problem that a part of the page could not be loaded. Its sentence is here, for others may be missing too. */
export const NOT_LOADED = "page_not_loaded";

/** The sentences for what a server refuses, loaded with the first refusal: most visits have none. */
let refusals: typeof import("./refusals") | null = null;

/** To be awaited before a problem is shown that carries a code. */
export async function loadRefusals(): Promise<void> {
  try {
    const loaded = await import("./refusals");
    await loadTexts();
    refusals = loaded;
  } catch {
    // The server went away in between: its own words are shown.
  }
}

export class Problem extends Error {
  readonly kind: ProblemKind;
  /** Seconds to wait, where the server named them. */
  readonly retryAfter: number | null;
  /** The limit that was reached, in numbers. */
  readonly limit: LimitReached | null;
  /** The field that the server found at fault, as `messages.0.content`. */
  readonly param: string | null;
  readonly type: string;
  readonly code: string;
  /** The numbers and names in the server's message. */
  readonly values: Values;
  /** When it was learnt, in milliseconds since 1970: what the server says of time counts from here. */
  readonly at = Date.now();

  constructor(kind: ProblemKind, message: string, details: Details = {}) {
    super(message);
    this.name = "Problem";
    this.kind = kind;
    this.retryAfter = details.retryAfter ?? null;
    this.limit = details.limit ?? null;
    this.param = details.param ?? null;
    this.type = details.type ?? "";
    this.code = details.code ?? "";
    this.values = details.values ?? {};
  }

  /** What happened in the page's language. `label` is the form's own name for a field, where it has one. */
  said(label?: (param: string) => string | null): Said {
    if (this.kind === "unreachable") return { text: t("problem.unreachable.title"), reason: null };
    if (this.kind === "interrupted") return { text: t("problem.interrupted.title"), reason: null };
    if (this.kind === "signedOut") return { text: t("problem.signedOut.title"), reason: null };
    if (this.code === NOT_LOADED) return { text: t("problem.notLoaded"), reason: null };
    return refusals?.refusal(this, label) ?? { text: this.message, reason: null };
  }

  /** When there is room again, in milliseconds since 1970; null where nobody knows. */
  get endsAt(): number | null {
    const seconds = this.limit?.reset_in ?? null;
    return seconds === null ? null : this.at + seconds * 1000;
  }
}

/** What happened in the page's language, of whatever was thrown. */
export function said(error: unknown): string {
  return error instanceof Problem ? error.said().text : String(error);
}

/** The words of a part of the page for whatever failed there, unless the session ended: then they would tell the wrong. */
export function signedOutOr(words: string, error: unknown): string {
  return error instanceof Problem && error.kind === "signedOut" ? error.said().text : words;
}

export function reasonTitle(): string {
  return refusals?.reasonTitle() ?? "";
}

interface ErrorFields {
  message: string;
  type: string;
  code: string;
  param: string | null;
  limit: LimitReached | null;
  values: Values;
}

/** Reads the server's error shape: flat, or nested under `error`. */
export function errorBody(body: unknown): ErrorFields | null {
  if (typeof body !== "object" || body === null) return null;
  const outer = body as Record<string, unknown>;
  const inner = typeof outer.error === "object" && outer.error !== null ? outer.error : outer;
  const { message, type, code, param, limit, values } = inner as Record<string, unknown>;
  if (typeof message !== "string") return null;
  return {
    message,
    type: String(type ?? ""),
    code: String(code ?? ""),
    param: typeof param === "string" ? param : null,
    limit: typeof limit === "object" && limit !== null ? (limit as LimitReached) : null,
    values: typeof values === "object" && values !== null ? (values as Values) : {},
  };
}

/** The problem that an answer with a failing status describes. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = errorBody(await response.json().catch(() => null));
  const message = body?.message ?? `${response.status} ${response.statusText}`.trim();
  const wait = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  await loadRefusals();
  if (body === null) return problemOfProxy(response.status, message);
  return new Problem(kindOf(response.status, body), message, { ...body, retryAfter });
}

/** What answers without the server's error shape stands before it: it doesn't reach the server, or lets this not through. */
function problemOfProxy(status: number, message: string): Problem {
  if ([502, 503, 504].includes(status)) return new Problem("unreachable", message);
  return new Problem(kindOf(status, null), message, { code: status === 413 ? "proxy_too_large" : "" });
}

/** By the type of an error, the status that it would have had. */
const STATUS_OF: Partial<Record<string, number>> = {
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
};

/** The problem that an error event in mid-stream describes: the status was sent long before. */
export async function problemInStream(body: ErrorFields | null): Promise<Problem> {
  if (body === null) return new Problem("interrupted", "the stream is damaged");
  const kind = body.type === "invalid_request_error" ? "invalid" : kindOf(STATUS_OF[body.type] ?? 503, body);
  await loadRefusals();
  return new Problem(kind, body.message, body);
}

/** The codes that say that a server elsewhere was at fault. */
const OF_UPSTREAMS = ["failed", "refused", "timeout", "unavailable", "unreachable"].map((what) => `upstream_${what}`);

export function isOfUpstream(code: string): boolean {
  return OF_UPSTREAMS.includes(code);
}

/** The codes that say that the server can save nothing now. */
const OF_STORAGE = ["disk_full", "database_unavailable", "files_not_writable"];

export function isOfStorage(code: string): boolean {
  return OF_STORAGE.includes(code);
}

/** The codes of answers that ended with their server. */
const OF_RESTARTS = ["server_stopping", "server_restarted"];

export function isOfRestart(code: string): boolean {
  return OF_RESTARTS.includes(code);
}

function kindOf(status: number, body: ErrorFields | null): ProblemKind {
  if (body?.limit) return body.limit.kind === "context_tokens" ? "context" : "limit";
  if (status === 401) return "signedOut";
  if (status === 403) return "forbidden";
  if (status === 404) return "model";
  if (status === 429) return "overloaded";
  if (isOfUpstream(body?.code ?? "")) return "upstream";
  if (isOfStorage(body?.code ?? "")) return "unsaved";
  if (isOfRestart(body?.code ?? "")) return "restarted";
  if (status === 503) return body?.type === "overloaded" ? "overloaded" : "engine";
  if (status >= 500) return "engine";
  return body?.code.startsWith("context_length") ? "context" : "invalid";
}
