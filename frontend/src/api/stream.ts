/** Streams of server-sent events over fetch, parsed by the specification's rules. */
import { createParser } from "eventsource-parser";
import { errorBody, Problem, problemInStream } from "./problem";
import { postJson } from "./server";
import type { ChatCompletionChunk } from "./schema";

/** The chunks of a streamed chat completion, as the server sends them, until the stream ends. */
export async function* streamChunks(
  body: unknown,
  signal: AbortSignal,
): AsyncGenerator<ChatCompletionChunk, void, void> {
  for await (const event of streamEvents("/v1/chat/completions", body, signal)) {
    const chunk = event as ChatCompletionChunk;
    if (!Array.isArray(chunk.choices)) throw await problemInStream(errorBody(event));
    yield chunk;
  }
}

const TOO_LONG = "nothing has come for too long";

/** What a promise gives, unless that takes too long: a connection may be dead without anybody being told. */
export async function inTime<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Problem("interrupted", TOO_LONG)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The JSON events of a streamed answer to a POST, until the stream ends. An event that is an error is thrown. */
export async function* streamEvents(
  path: string,
  body: unknown,
  signal: AbortSignal,
): AsyncGenerator<object, void, void> {
  const response = await postJson(path, body, { signal });
  for await (const arrived of serverSentData(response, signal)) {
    for (const data of arrived) {
      if (data === "[DONE]") return;
      yield await parsedEvent(data);
    }
  }
}

async function parsedEvent(data: string): Promise<object> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    throw new Problem("interrupted", "the stream is damaged");
  }
  if (typeof parsed !== "object" || parsed === null || ("error" in parsed && parsed.error)) {
    throw await problemInStream(errorBody(parsed));
  }
  return parsed;
}

/**
 * The `data` of each event of an answer, those together that arrive together. Throws a Problem where it breaks off, or
 * where nothing comes for `silence` milliseconds; aborting the signal ends it.
 */
export async function* serverSentData(
  response: Response,
  signal: AbortSignal,
  silence = Infinity,
): AsyncGenerator<string[], void, void> {
  const { body } = response;
  if (body === null) throw new Problem("interrupted", "the answer has no body");
  const arrived: string[] = [];
  const parser = createParser({ onEvent: (event) => arrived.push(event.data) });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let heard = performance.now();
  let fellSilent = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** One timer, which looks when something came last: to set one for each read would take longer than to read it. */
  function listen(): void {
    const left = heard + silence - performance.now();
    if (left > 0) timer = setTimeout(listen, left);
    else {
      fellSilent = true;
      void reader.cancel().catch(() => undefined);
    }
  }
  if (silence !== Infinity) listen();
  try {
    for (;;) {
      let result: ReadableStreamReadResult<Uint8Array>;
      try {
        result = await reader.read();
      } catch (error) {
        if (signal.aborted) throw error;
        throw new Problem("interrupted", error instanceof Error ? error.message : String(error));
      }
      if (fellSilent) throw new Problem("interrupted", TOO_LONG);
      if (result.done) return;
      heard = performance.now();
      parser.feed(decoder.decode(result.value, { stream: true }));
      yield arrived.splice(0);
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined); // a broken stream has nothing left to cancel
  }
}
