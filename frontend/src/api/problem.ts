/** What can go wrong between the page and the server, as the page tells it to a person. */
import type { LimitReached } from "./types";

export type ProblemKind =
  | "unreachable" // no answer at all
  | "interrupted" // the stream broke off
  | "engine" // the server is up, its engine is not
  | "overloaded" // there is no room now
  | "limit" // a limit or a budget refused it: `Problem.limit` says which
  | "context" // prompt and answer do not fit the model
  | "model" // unknown or removed model
  | "signedOut"
  | "forbidden" // signed in, without the right
  | "invalid"; // anything else that the server refused, in its own words

export class Problem extends Error {
  readonly kind: ProblemKind;
  /** Seconds to wait, where the server named them. */
  readonly retryAfter: number | null;
  /** The limit that was reached, in numbers. */
  readonly limit: LimitReached | null;
  /** The field that the server found at fault, as `messages.0.content`. */
  readonly param: string | null;
  /** The server's word for it, as `conversations_not_kept`. */
  readonly code: string | null;
  /** When it was learnt, in milliseconds since 1970: what the server says of time counts from here. */
  readonly at = Date.now();

  constructor(
    kind: ProblemKind,
    message: string,
    details: { retryAfter?: number | null; limit?: LimitReached | null; param?: string | null; code?: string } = {},
  ) {
    super(message);
    this.name = "Problem";
    this.kind = kind;
    this.retryAfter = details.retryAfter ?? null;
    this.limit = details.limit ?? null;
    this.param = details.param ?? null;
    this.code = details.code ?? null;
  }

  /** When there is room again, in milliseconds since 1970; null where nobody knows. */
  get endsAt(): number | null {
    const seconds = this.limit?.reset_in ?? null;
    return seconds === null ? null : this.at + seconds * 1000;
  }
}

interface ErrorFields {
  message: string;
  type: string;
  code: string;
  param: string | null;
  limit: LimitReached | null;
}

/** Reads the server's error shape: flat, or nested under `error`. */
export function errorBody(body: unknown): ErrorFields | null {
  if (typeof body !== "object" || body === null) return null;
  const outer = body as Record<string, unknown>;
  const inner = typeof outer.error === "object" && outer.error !== null ? outer.error : outer;
  const { message, type, code, param, limit } = inner as Record<string, unknown>;
  if (typeof message !== "string") return null;
  return {
    message,
    type: String(type ?? ""),
    code: String(code ?? ""),
    param: typeof param === "string" ? param : null,
    limit: typeof limit === "object" && limit !== null ? (limit as LimitReached) : null,
  };
}

/** The problem that an answer with a failing status describes. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = errorBody(await response.json().catch(() => null));
  const message = body?.message ?? `${response.status} ${response.statusText}`.trim();
  const wait = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  const { param = null, limit = null, code = "" } = body ?? {};
  return new Problem(kindOf(response.status, body), message, { retryAfter, limit, param, code });
}

/** The problem that an error event in mid-stream describes: the status was sent long before. */
export function problemInStream(body: ErrorFields | null): Problem {
  if (body === null) return new Problem("interrupted", "the stream is damaged");
  const kind = body.type === "invalid_request_error" ? "invalid" : kindOf(503, body);
  return new Problem(kind, body.message, { limit: body.limit });
}

function kindOf(status: number, body: ErrorFields | null): ProblemKind {
  if (body?.limit) return body.limit.kind === "context_tokens" ? "context" : "limit";
  if (status === 401) return "signedOut";
  if (status === 403) return "forbidden";
  if (status === 404) return "model";
  if (status === 429) return "overloaded";
  if (status === 503) return body?.type === "overloaded" ? "overloaded" : "engine";
  if (status >= 500) return "engine";
  return body?.code.startsWith("context_length") ? "context" : "invalid";
}
