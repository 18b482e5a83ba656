/** One streamed answer: server-sent events over a POST, parsed by the specification's rules. */
import { createParser } from "eventsource-parser";
import { errorBody, Problem, problemInStream } from "./problem";
import { postJson } from "./server";
import type { ChatCompletionChunk } from "./schema";
import { ThoughtSplitter, type Piece } from "./thoughts";
import type { ChatMessage, Usage } from "./types";

export type AnswerEvent = Piece | { type: "end"; finishReason: string; usage: Usage | null };

/**
 * Asks for an answer and yields it as it arrives, then one `end`.
 *
 * Throws a Problem where it fails; aborting the signal ends the generation on the server too.
 */
export async function* streamAnswer(
  request: { model: string; messages: ChatMessage[] },
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent, void, void> {
  let finishReason: string | null = null;
  let usage: Usage | null = null;
  const splitter = new ThoughtSplitter();
  for await (const chunk of streamChunks({ ...request, stream: true }, signal)) {
    usage = chunk.usage ?? usage;
    const choice = chunk.choices[0];
    if (choice !== undefined) yield* splitter.read(choice.delta);
    finishReason = choice?.finish_reason ?? finishReason;
  }
  yield* splitter.end();
  if (finishReason === null) throw new Problem("interrupted", "the stream ended before the answer did");
  yield { type: "end", finishReason, usage };
}

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

/** The JSON events of a streamed answer to a POST, until the stream ends. An event that is an error is thrown. */
export async function* streamEvents(
  path: string,
  body: unknown,
  signal: AbortSignal,
): AsyncGenerator<object, void, void> {
  const response = await postJson(path, body, { signal });
  if (response.body === null) throw new Problem("interrupted", "the answer has no body");
  for await (const data of serverSentData(response.body, signal)) {
    if (data === "[DONE]") return;
    yield await parsedEvent(data);
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

/** The `data` of each event of a response body. */
async function* serverSentData(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const arrived: string[] = [];
  const parser = createParser({ onEvent: (event) => arrived.push(event.data) });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      let result: ReadableStreamReadResult<Uint8Array>;
      try {
        result = await reader.read();
      } catch (error) {
        if (signal.aborted) throw error;
        throw new Problem("interrupted", error instanceof Error ? error.message : String(error));
      }
      if (result.done) return;
      parser.feed(decoder.decode(result.value, { stream: true }));
      yield* arrived.splice(0);
    }
  } finally {
    await reader.cancel().catch(() => undefined); // a broken stream has nothing left to cancel
  }
}
