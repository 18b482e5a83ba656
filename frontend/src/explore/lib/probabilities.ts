/** How sampling chooses among the likeliest tokens: the engine's rule, on the page. */

export interface Chance {
  /** After temperature and top_p, among the tokens given. */
  probability: number;
  /** Whether top_p leaves the token in. */
  kept: boolean;
}

/**
 * The chances of tokens by their log probabilities, the likeliest first.
 *
 * Temperature 0 takes the first. top_p keeps the likeliest tokens until they have that share together.
 */
export function chances(logprobs: readonly number[], temperature: number, topP: number): Chance[] {
  const reshaped = softened(logprobs, temperature);
  const kept: boolean[] = [];
  let before = 0;
  for (const [place, probability] of reshaped.entries()) {
    kept.push(place === 0 || before < topP);
    before += probability;
  }
  const sum = reshaped.reduce((total, probability, place) => total + (kept[place] ? probability : 0), 0);
  return reshaped.map((probability, place) => ({
    probability: kept[place] ? probability / sum : 0,
    kept: kept[place]!,
  }));
}

function softened(logprobs: readonly number[], temperature: number): number[] {
  if (logprobs.length === 0) return [];
  const most = Math.max(...logprobs);
  if (temperature <= 0) {
    const first = logprobs.indexOf(most);
    return logprobs.map((_, place) => (place === first ? 1 : 0));
  }
  const weights = logprobs.map((logprob) => Math.exp((logprob - most) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** What all tokens that aren't among these have together, before temperature. */
export function restOf(logprobs: readonly number[]): number {
  return Math.max(0, 1 - logprobs.reduce((total, logprob) => total + Math.exp(logprob), 0));
}

export const SHADES = 10;

/** 0 for a token that was certain, up to `SHADES` for one that was a surprise. */
export function shadeOf(logprob: number): number {
  return Math.round((1 - Math.min(1, Math.exp(logprob))) * SHADES);
}
