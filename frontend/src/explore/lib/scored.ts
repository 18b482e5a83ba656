/** Answers with the probability of each token. */
import { Problem } from "../../api/problem";
import type { Completion, TokenLogprob } from "../../api/schema";
import { streamEvents } from "../../api/stream";

export const ALTERNATIVES = 20;

export interface Sampling {
  temperature: number;
  topP: number;
  /** null lets the server choose one. */
  seed: number | null;
  maxTokens: number;
}

export type ScoredEvent =
  { type: "tokens"; tokens: TokenLogprob[] } | { type: "end"; reason: string; read: number; written: number };

/** What the model writes after exactly these tokens. */
export async function* continued(
  model: string,
  ids: readonly number[],
  sampling: Sampling,
  signal: AbortSignal,
): AsyncGenerator<ScoredEvent, void, void> {
  const body = {
    model,
    prompt: ids,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: sampling.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    ...(sampling.seed === null ? {} : { seed: sampling.seed }),
    logprobs: ALTERNATIVES,
    return_token_ids: true,
  };
  let reason: string | null = null;
  let usage = { read: 0, written: 0 };
  for await (const event of streamEvents("/v1/completions", body, signal)) {
    const chunk = event as Completion;
    if (chunk.usage) usage = { read: chunk.usage.prompt_tokens, written: chunk.usage.completion_tokens };
    const choice = chunk.choices[0];
    reason = choice?.finish_reason ?? reason;
    const tokens = choice?.logprobs?.content ?? [];
    if (tokens.length > 0) yield { type: "tokens", tokens };
  }
  if (reason === null) throw new Problem("interrupted", "the stream ended before the answer did");
  yield { type: "end", reason, ...usage };
}
