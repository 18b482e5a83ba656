/**
 * A path through a conversation's tree, as the page shows it: questions, each with its answer.
 *
 * An answer is everything between two questions: thoughts, text, calls of functions. The functions here are pure.
 */
import type { AnswerState, AskerBody, TreePage } from "../api/schema";
import type { ResponseError, ResponseUsage } from "../api/schema";
import { notesOf, type Note } from "./documents/notes";
import { ThoughtSplitter } from "../api/thoughts";

/** The items beside one, below the same one: which it is, and its neighbours. */
export interface Siblings {
  number: number;
  count: number;
  previousId: string | null;
  nextId: string | null;
}

/** An item on the path. */
export interface Entry {
  id: string;
  parentId: string | null;
  role: "user" | "assistant" | "other";
  text: string;
  thoughts: string;
  notes: readonly Note[];
  answerId: string | null;
  siblings: Siblings;
  askedBy: AskerBody | null;
}

/** What ended it before the model was done: the context or a limit was reached, or a filter stopped it. */
export type Incomplete = "length" | "filter" | null;

/** How far an answer is, and what it used. */
export interface AnswerFacts {
  id: string;
  status: string;
  model: string;
  /** Its last item; while it is being written, the one that it answers. */
  leafId: string | null;
  usage: ResponseUsage | null;
  error: ResponseError | null;
  incomplete: Incomplete;
}

/** A page of a path, the highest item first. */
export interface PathPage {
  entries: Entry[];
  answers: AnswerFacts[];
  /** Whether the path has items above. */
  earlier: boolean;
}

export interface QuestionOnPath {
  id: string;
  parentId: string | null;
  text: string;
  answerId: string | null;
  siblings: Siblings;
  /** null for the reader, and where one person alone has asked. */
  askedBy: AskerBody | null;
}

export interface AnswerOnPath {
  firstId: string;
  leafId: string;
  text: string;
  thoughts: string;
  notes: readonly Note[];
  answerId: string | null;
  siblings: Siblings;
}

/** A question with its answer; a path may begin with an answer, and a question may have none. */
export interface TurnOnPath {
  question: QuestionOnPath | null;
  answer: AnswerOnPath | null;
}

export const ALONE: Siblings = { number: 1, count: 1, previousId: null, nextId: null };
const OPEN = ["queued", "in_progress"];

/** The page as the server sends it: the latest item first. */
export function pageOf(page: TreePage): PathPage {
  const entries = page.data.map((item, position): Entry => {
    const place = page.places[position]!;
    const { siblings } = place;
    const [text, thoughts] = textOf(item);
    return {
      id: place.item_id,
      parentId: place.parent_id,
      role: item.type === "message" ? roleOf(item.role) : item.type === "compaction" ? "other" : "assistant",
      text,
      thoughts,
      notes:
        item.type === "message"
          ? item.content.flatMap((part) => ("annotations" in part ? notesOf(part.annotations) : []))
          : [],
      answerId: place.response_id,
      siblings: {
        number: siblings.number,
        count: siblings.count,
        previousId: siblings.previous_id,
        nextId: siblings.next_id,
      },
      askedBy: place.asked_by ?? null, // a server of the version before says nothing of it
    };
  });
  return { entries: entries.reverse(), answers: page.responses.map(factsOf), earlier: page.has_more };
}

function roleOf(role: string): Entry["role"] {
  return role === "user" || role === "assistant" ? role : "other";
}

function textOf(item: TreePage["data"][number]): [text: string, thoughts: string] {
  if (item.type === "message") {
    const text = item.content.map((part) => ("text" in part ? part.text : "")).join("");
    return item.role === "assistant" ? splitThoughts(text) : [text, ""];
  }
  if (item.type === "reasoning") {
    const parts = item.content.length > 0 ? item.content : item.summary;
    return ["", parts.map((part) => part.text).join("")];
  }
  return ["", ""];
}

/** A stored text may have the model's own marks around its thoughts. */
export function splitThoughts(whole: string): [text: string, thoughts: string] {
  const splitter = new ThoughtSplitter();
  let text = "";
  let thoughts = "";
  for (const piece of [...splitter.read({ content: whole }), ...splitter.end()]) {
    if (piece.type === "text") text += piece.text;
    else if (piece.type === "thought") thoughts += piece.text;
    else [text, thoughts] = ["", thoughts + text];
  }
  return [text, thoughts];
}

function factsOf(state: AnswerState): AnswerFacts {
  return {
    id: state.id,
    status: state.status,
    model: state.model,
    leafId: state.leaf_id,
    usage: state.usage,
    error: state.error,
    incomplete: incompleteOf(state.incomplete_details?.reason),
  };
}

export function incompleteOf(reason: string | null | undefined): Incomplete {
  if (reason === "content_filter") return "filter";
  return reason === "max_output_tokens" ? "length" : null;
}

/** Whether an answer is still being written. */
export function isOpen(facts: AnswerFacts): boolean {
  return OPEN.includes(facts.status);
}

/**
 * The turns of a page. Where it has more above, it begins with its first question: the rest of the turn before comes
 * with the next page, which is read from `from` on.
 */
export function turnsOf(page: PathPage): { turns: TurnOnPath[]; from: string | null } {
  const begins = page.earlier ? page.entries.findIndex((entry) => entry.role === "user") : 0;
  const entries = begins < 0 ? [] : page.entries.slice(begins);
  const turns: TurnOnPath[] = [];
  for (const entry of entries) {
    if (entry.role === "other") continue;
    if (entry.role === "user") {
      const { id, parentId, text, answerId, siblings, askedBy } = entry;
      turns.push({ question: { id, parentId, text, answerId, siblings, askedBy }, answer: null });
      continue;
    }
    let turn = turns.at(-1);
    if (turn === undefined) turns.push((turn = { question: null, answer: null }));
    turn.answer = joined(turn.answer, entry);
  }
  return { turns, from: entries[0]?.id ?? null };
}

function joined(answer: AnswerOnPath | null, entry: Entry): AnswerOnPath {
  const { id, answerId, siblings, text, thoughts, notes } = entry;
  if (answer === null) return { firstId: id, leafId: id, text, thoughts, notes, answerId, siblings };
  const together = (before: string, more: string) => (before && more ? `${before}\n\n${more}` : before + more);
  return {
    ...answer,
    leafId: id,
    answerId: answerId ?? answer.answerId,
    text: together(answer.text, text),
    thoughts: together(answer.thoughts, thoughts),
    notes: [...answer.notes, ...notes],
  };
}
