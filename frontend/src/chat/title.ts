/** A conversation's title: the model's, or the first words of the question. */
import { Problem } from "../api/problem";
import { answerUnstored } from "../api/responses";

export const LONGEST_TITLE = 60;
const MOST_READ = 1500;
const MOST_TOKENS = 40;
const REQUEST =
  "Write a title of at most six words for this conversation, in the language of its question. Answer with the title alone.";

/**
 * Asks the model for a title in the question's language; the question's first words where it has none to offer.
 *
 * Throws a Problem where the server could not be asked: a title made then would stay.
 */
export async function titleFor(
  question: string,
  answer: string,
  { model, signal }: { model: string; signal: AbortSignal },
): Promise<string> {
  const talk = `${question.slice(0, MOST_READ)}\n\n---\n\n${answer.slice(0, MOST_READ)}`;
  try {
    const made = await answerUnstored(
      { model, instructions: REQUEST, input: talk, max_output_tokens: MOST_TOKENS, truncation: "auto" },
      signal,
    );
    return cleanTitle(made.text) ?? firstWords(question);
  } catch (error) {
    const unasked = error instanceof Problem && (error.kind === "unreachable" || error.kind === "interrupted");
    if (signal.aborted || unasked) throw error;
    return firstWords(question);
  }
}

/** The title in what a model wrote: a line without marks; null where there is none, or a whole text instead. */
export function cleanTitle(written: string): string | null {
  const lines = written
    .replace(/<think>[^]*?(<\/think>|$)/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const line = (lines[0] ?? "")
    .replace(/^#+\s*/, "")
    .replace(/[*_`]+/g, "")
    .replace(/^(title|titre|titel|título|titolo)\s*:\s*/i, "")
    .replace(/^["'«»“”„‘’\s]+|["'«»“”„‘’\s.。:]+$/g, "")
    .trim();
  if (line === "" || !/[\p{L}\p{N}]/u.test(line)) return null;
  return [...line].length <= LONGEST_TITLE ? line : null;
}

/** The beginning of a text, cut between words where it can be. */
export function firstWords(text: string): string {
  const flat = text.replace(/\s+/g, " ").trim();
  const characters = [...flat];
  if (characters.length <= LONGEST_TITLE) return flat;
  const cut = characters.slice(0, LONGEST_TITLE - 1).join("");
  const border = cut.lastIndexOf(" ");
  return `${border > LONGEST_TITLE / 2 ? cut.slice(0, border) : cut}…`;
}
