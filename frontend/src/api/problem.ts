/** What can go wrong between the page and the server, as the page tells it to a person. */

export type ProblemKind =
  | "unreachable" // no answer at all
  | "interrupted" // the stream broke off
  | "engine" // the server is up, its engine is not
  | "overloaded"
  | "context" // prompt and answer do not fit the model
  | "model" // unknown or removed model
  | "signedOut"
  | "forbidden" // signed in, without the right
  | "invalid"; // anything else that the server refused, in its own words

export class Problem extends Error {
  readonly kind: ProblemKind;
  /** Seconds to wait, where the server named them. */
  readonly retryAfter: number | null;
  /** Tokens of the prompt and tokens that fit, where the server named them. */
  readonly context: { prompt: number; limit: number } | null;
  /** The field that the server found at fault, as `messages.0.content`. */
  readonly param: string | null;

  constructor(
    kind: ProblemKind,
    message: string,
    details: { retryAfter?: number | null; context?: Problem["context"]; param?: string | null } = {},
  ) {
    super(message);
    this.name = "Problem";
    this.kind = kind;
    this.retryAfter = details.retryAfter ?? null;
    this.context = details.context ?? null;
    this.param = details.param ?? null;
  }
}

interface ErrorBody {
  message: string;
  type: string;
  code: string;
  param: string | null;
}

/** Reads the server's error shape: flat, or nested under `error`. */
export function errorBody(body: unknown): ErrorBody | null {
  if (typeof body !== "object" || body === null) return null;
  const outer = body as Record<string, unknown>;
  const inner = typeof outer.error === "object" && outer.error !== null ? outer.error : outer;
  const { message, type, code, param } = inner as Record<string, unknown>;
  if (typeof message !== "string") return null;
  return {
    message,
    type: String(type ?? ""),
    code: String(code ?? ""),
    param: typeof param === "string" ? param : null,
  };
}

/** The problem that an answer with a failing status describes. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = errorBody(await response.json().catch(() => null));
  const message = body?.message ?? `${response.status} ${response.statusText}`.trim();
  const wait = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  const kind = kindOf(response.status, body);
  return new Problem(kind, message, { retryAfter, context: contextOf(message), param: body?.param ?? null });
}

/** The problem that an error event in mid-stream describes: the status was sent long before. */
export function problemInStream(body: ErrorBody | null): Problem {
  if (body === null) return new Problem("interrupted", "the stream is damaged");
  const kind = body.type === "invalid_request_error" ? "invalid" : kindOf(503, body);
  return new Problem(kind, body.message);
}

function kindOf(status: number, body: ErrorBody | null): ProblemKind {
  if (status === 401) return "signedOut";
  if (status === 403) return "forbidden";
  if (status === 404) return "model";
  if (status === 429) return "overloaded";
  if (status === 503) return body?.type === "overloaded" ? "overloaded" : "engine";
  if (status >= 500) return "engine";
  return body?.code.startsWith("context_length") ? "context" : "invalid";
}

/** The two numbers of an overflow message: the larger is the prompt, the smaller what fits. */
function contextOf(message: string): Problem["context"] {
  const numbers = [...message.matchAll(/\d[\d,]*/g)].map((match) => Number(match[0].replaceAll(",", "")));
  if (numbers.length < 2) return null;
  const [prompt, limit] = [Math.max(...numbers), Math.min(...numbers)];
  return prompt > limit ? { prompt, limit } : null;
}
