/** The server's tokenizers. */
import type { TokenPiece, Tokens } from "../../api/schema";
import { postJson } from "../../api/server";

/** A message as a model's template reads it. */
export interface PromptMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The most characters that a page sends to be cut into tokens. */
export const MOST_CHARACTERS = 10_000;

/** A text's tokens, with nothing that the model's template would add; names of control tokens stay text. */
export async function piecesOf(model: string, text: string, signal?: AbortSignal): Promise<TokenPiece[]> {
  const body = { model, prompt: text, parse_special: false, add_special_tokens: false, return_pieces: true };
  return (await tokens(body, signal)).pieces ?? [];
}

export async function countOf(model: string, text: string, signal?: AbortSignal): Promise<number> {
  const body = { model, prompt: text, parse_special: false, add_special_tokens: false };
  return (await tokens(body, signal)).count;
}

/** A conversation as the model reads it, with an answer opened at its end. */
export async function promptOf(
  model: string,
  messages: readonly PromptMessage[],
  signal?: AbortSignal,
): Promise<Tokens> {
  return tokens({ model, messages, add_generation_prompt: true }, signal);
}

export async function textOf(model: string, ids: readonly number[]): Promise<string> {
  const answer = await postJson("/detokenize", { model, tokens: ids });
  return ((await answer.json()) as { prompt: string }).prompt;
}

async function tokens(body: object, signal?: AbortSignal): Promise<Tokens> {
  const init = signal === undefined ? {} : { signal };
  return (await (await postJson("/tokenize", body, init)).json()) as Tokens;
}
