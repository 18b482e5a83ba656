/** The probabilities of an answer that was written before, as the model judges its tokens now. */
import type { Completion, TokenLogprob, Tokens, TopLogprob } from "../../api/schema";
import { postJson } from "../../api/server";
import { ALTERNATIVES } from "../lib/scored";
import { promptOf, type PromptMessage } from "../lib/tokenize";

export interface ScoredAnswer {
  /** The tokens before the answer. */
  prompt: readonly number[];
  tokens: TokenLogprob[];
}

/** `messages` end with the answer. */
export async function scoredAnswer(
  model: string,
  messages: readonly PromptMessage[],
  signal: AbortSignal,
): Promise<ScoredAnswer> {
  const [before, whole] = await Promise.all([
    promptOf(model, messages.slice(0, -1), signal),
    postJson("/tokenize", { model, messages, continue_final_message: true, return_pieces: true }, { signal }).then(
      (answer) => answer.json() as Promise<Tokens>,
    ),
  ]);
  const body = { model, prompt: whole.tokens, max_tokens: 0, temperature: 0, prompt_logprobs: ALTERNATIVES };
  const completion = (await (await postJson("/v1/completions", body, { signal })).json()) as Completion;
  const scores = completion.choices[0]?.prompt_logprobs ?? [];
  const pieces = whole.pieces ?? [];
  const begin = before.tokens.length;
  const tokens = whole.tokens.slice(begin).flatMap((id, place): TokenLogprob[] => {
    const byId = scores[begin + place];
    const own = byId?.[String(id)];
    if (!byId || own === undefined) return [];
    const top = Object.entries(byId)
      .map(([other, score]) => alternative(Number(other), score.decoded_token, score.logprob))
      .sort((one, other) => other.logprob - one.logprob)
      .slice(0, ALTERNATIVES);
    const bytes = pieces[begin + place]?.bytes ?? [];
    return [{ token: own.decoded_token, token_id: id, bytes, logprob: own.logprob, top_logprobs: top }];
  });
  return { prompt: before.tokens, tokens };
}

function alternative(id: number, text: string, logprob: number): TopLogprob {
  return { token: text, token_id: id, bytes: [...new TextEncoder().encode(text)], logprob };
}
