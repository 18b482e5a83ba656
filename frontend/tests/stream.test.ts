import { afterEach, describe, expect, test, vi } from "vitest";
import { Problem } from "../src/api/problem";
import { beginResponse, beginStoredResponse, type ResponseEvent } from "../src/api/responses";

afterEach(() => vi.unstubAllGlobals());

const event = (type: string, number: number, fields: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, ...fields })}\n\n`;
const piece = (delta: string, number = 3) => event("response.output_text.delta", number, { delta });
const RESPONSE = { id: "resp_1", model: "m", status: "completed", output: [], usage: null, error: null };
const END = `${event("response.completed", 9, { response: { ...RESPONSE, incomplete_details: null } })}data: [DONE]\n\n`;

/** A server that answers with these bytes, cut into chunks of a size. */
function serve(body: string, chunk = 1 << 20, init: ResponseInit = {}): void {
  const bytes = new TextEncoder().encode(body);
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let start = 0; start < bytes.length; start += chunk) controller.enqueue(bytes.slice(start, start + chunk));
      controller.close();
    },
  });
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(stream, init)));
}

async function collect(): Promise<ResponseEvent[]> {
  const events: ResponseEvent[] = [];
  const signal = new AbortController().signal;
  for await (const one of beginResponse({ model: "m", input: "?" }, signal)) events.push(one);
  return events;
}

const problem = () =>
  collect().then(
    () => expect.unreachable(),
    (error: unknown) => error as Problem,
  );

describe("a streamed answer", () => {
  test.each([1, 2, 7, 1 << 20])("is the same when it comes %i bytes at a time", async (chunk) => {
    serve(`: waiting\n\n${piece("Été ")}${piece("🌬️", 4)}${END}`, chunk);
    const events = await collect();
    const end = events.pop();
    expect(events.map((one) => (one.type === "text" ? one.text : one.type)).join("")).toBe("Été 🌬️");
    expect(events.reduce((sum, one) => sum + (one.type === "text" ? one.pieces : 0), 0)).toBe(2);
    expect(events.at(-1)).toMatchObject({ number: 4 });
    expect(end).toMatchObject({ type: "end", number: 9, end: { status: "completed", leafId: null } });
  });

  test("that is damaged is an interruption", async () => {
    serve("data: {oops\n\n");
    expect((await problem()).kind).toBe("interrupted");
  });
});

describe("a refusal is told from the others:", () => {
  const refuse = (status: number, body: object, headers: HeadersInit = {}) =>
    serve(JSON.stringify(body), undefined, { status, headers });

  test("a session that ended", async () => {
    refuse(401, { message: "Sign in", type: "authentication_error" });
    expect((await problem()).kind).toBe("signedOut");
  });

  test("a context that is full, with both numbers", async () => {
    const limit = { kind: "context_tokens", limit: 8192, needed: 9321 };
    refuse(400, { message: "Too long", type: "invalid_request_error", code: "context_length_exceeded", limit });
    expect(await problem()).toMatchObject({ kind: "context", limit: { needed: 9321, limit: 8192 } });
  });

  test("a context that is full, of which an upstream gave no numbers", async () => {
    refuse(400, { message: "9 and 8", type: "invalid_request_error", code: "context_length_exceeded" });
    expect(await problem()).toMatchObject({ kind: "context", limit: null });
  });

  test("a limit of requests a minute, with its end", async () => {
    const limit = { kind: "requests_per_minute", limit: 5, scope: "key", model: null, reset_in: 12 };
    refuse(429, { error: { message: "5 a minute", type: "rate_limit_error", limit } }, { "retry-after": "12" });
    const refusal = await problem();
    expect(refusal).toMatchObject({ kind: "limit", limit: { kind: "requests_per_minute", limit: 5 } });
    expect(refusal.endsAt).toBe(refusal.at + 12_000);
  });

  test("a full house, with the time to wait", async () => {
    refuse(503, { message: "full", type: "overloaded" }, { "retry-after": "4" });
    expect(await problem()).toMatchObject({ kind: "overloaded", retryAfter: 4 });
  });

  test("a model that is gone", async () => {
    refuse(404, { message: "no such model", type: "not_found_error" });
    expect((await problem()).kind).toBe("model");
  });

  test("anything else, in the server's words", async () => {
    refuse(422, { message: "temperature: too high", type: "invalid_request_error" });
    expect(await problem()).toMatchObject({ kind: "invalid", message: "temperature: too high" });
  });

  test("nobody there", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    expect((await problem()).kind).toBe("unreachable");
  });

  test("a proxy that doesn't reach the server, or finds a file too large", async () => {
    serve("<html>Bad gateway</html>", undefined, { status: 502 });
    expect((await problem()).kind).toBe("unreachable");
    serve("<html>Request Entity Too Large</html>", undefined, { status: 413 });
    expect(await problem()).toMatchObject({ kind: "invalid", code: "proxy_too_large" });
  });
});

describe("a connection that falls silent", () => {
  test.each(["before its head", "after it"])("%s is given up, and closed", async (when) => {
    vi.useFakeTimers();
    let closed = false;
    const body = new ReadableStream<Uint8Array>({ cancel: () => void (closed = true) });
    const never = new Promise<Response>(() => undefined);
    let signal: AbortSignal | undefined;
    vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
      signal = init.signal!;
      return when === "before its head" ? never : Promise.resolve(new Response(body));
    });
    const events = beginStoredResponse({ model: "m", input: "?" }, new AbortController().signal);
    const refused = expect(events.next()).rejects.toMatchObject({ kind: "interrupted" });
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
    expect([signal!.aborted, closed]).toEqual([true, when === "after it"]);
    vi.useRealTimers();
  });
});
