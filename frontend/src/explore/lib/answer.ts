/** One whole answer of a chat model. */
import type { ChatCompletion } from "../../api/schema";
import { postJson } from "../../api/server";
import type { ChatMessage } from "../../api/types";

/** `more` are further fields of the request, such as `temperature`. */
export async function answerTo(
  model: string,
  messages: readonly ChatMessage[],
  more: Record<string, unknown>,
  signal: AbortSignal,
): Promise<ChatCompletion> {
  const answer = await postJson("/v1/chat/completions", { model, messages, ...more }, { signal });
  return (await answer.json()) as ChatCompletion;
}
