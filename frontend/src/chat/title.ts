/** When a model is asked for a conversation's title: once there is something to name, and while its name is not a title yet. */
import type { Turn } from "./turn.svelte";

/** How many answers a model is asked for a title after, while there is none but the question's words. */
const MOST_TITLED = 3;

/** The turns on the page, with whether there are others above, and the title so far. */
interface Named {
  title: string | null;
  turns: readonly Turn[];
  earlier: boolean;
}

/**
 * The model to ask now, after an answer or, with null, when the conversation is opened; null where none is to be asked.
 *
 * The server has named the conversation by its first question. When one is opened that has a single answer, nobody may
 * have been there to ask for a title after it.
 */
export function modelForTitle({ title, turns, earlier }: Named, answered: Turn | null): string | null {
  const first = turns.find(({ answer }) => answer !== null && !answer.running && answer.text !== "");
  if (!first?.question || earlier) return null;
  const ask = answered ?? first;
  if (title !== null && answered !== first) {
    const early = answered === null ? turns.length === 1 : turns.indexOf(answered) < MOST_TITLED;
    if (!early || !isBeginning(title, first.question.text)) return null;
  }
  return ask.answer?.model ?? null;
}

/** Whether a title is the first words of a question, as the server names a conversation by it; nearly: unseen marks count. */
function isBeginning(title: string, question: string): boolean {
  return question.replace(/\s+/g, " ").trim().startsWith(title.replace(/…$/, ""));
}
