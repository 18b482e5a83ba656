/** The turns on the page: the end of a path through the conversation's tree, as far up as it was read. */
import { Problem } from "../api/problem";
import { Answer } from "./answer.svelte";
import { PAGE_ITEMS, type Talk } from "./talks";
import { ALONE, isOpen, turnsOf, type AnswerFacts, type PathPage, type TurnOnPath } from "./tree";
import { Turn } from "./turn.svelte";

/** Enough for a question and its answer. */
const LAST_ITEMS = 6;

export class Path {
  turns = $state.raw<readonly Turn[]>([]);
  /** Whether it has items above those on the page. */
  earlier = $state(false);
  loadingEarlier = $state(false);
  /** The highest item on the page. */
  #from: string | null = null;
  #nextKey = 1;

  get last(): Turn | null {
    return this.turns.at(-1) ?? null;
  }

  /** The item that the next question is below. */
  get leafId(): string | null {
    return this.last?.leafId ?? null;
  }

  above(turn: Turn): readonly Turn[] {
    return this.turns.slice(0, Math.max(0, this.turns.indexOf(turn)));
  }

  /** Takes what is below a turn off the page. */
  endAt(turn: Turn): void {
    this.turns = [...this.above(turn), turn];
  }

  /** Puts a question below the last turn, or at the place of one: what is below that is taken off the page. */
  ask(text: string, parentId: string | null, place: Turn | null = null): Turn {
    const unplaced = { id: null, answerId: null, siblings: ALONE, askedBy: null };
    const turn = new Turn(place?.key ?? this.#nextKey++, { ...unplaced, parentId, text });
    this.turns = [...(place === null ? this.turns : this.above(place)), turn];
    return turn;
  }

  /**
   * Shows a page of a path: below the turns above it that are on the page already or, with `anew`, alone. Returns the
   * answer that is being written at its end.
   */
  show(page: PathPage, { anew = false } = {}): AnswerFacts | null {
    const { turns, from } = turnsOf(page);
    const first = turns[0]?.question?.id ?? null;
    const at = first === null || anew ? -1 : this.turns.findIndex((turn) => turn.question?.id === first);
    const above = this.turns.slice(0, Math.max(0, at));
    const replaced = this.turns.slice(above.length);
    this.turns = [...above, ...turns.map((turn, index) => this.#turn(turn, page.answers, replaced[index]))];
    if (at < 0) [this.#from, this.earlier] = [from, page.earlier];
    const last = this.last;
    if (last === null) return null;
    const open = page.answers.find((facts) => isOpen(facts) && facts.leafId === page.entries.at(-1)?.id);
    if (open !== undefined) return open;
    const facts = page.answers.find(({ id }) => id === last.question?.answerId);
    if (last.answer === null && facts !== undefined) last.answer = Answer.empty(facts);
    return null;
  }

  /** Reads the page above the first turn. */
  async readEarlier(talk: Talk): Promise<void> {
    const leaf = this.leafId;
    if (!this.earlier || this.loadingEarlier || this.#from === null || leaf === null) return;
    this.loadingEarlier = true;
    try {
      const page = await talk.path({ leaf }, PAGE_ITEMS, this.#from);
      const { turns, from } = turnsOf(page);
      this.turns = [...turns.map((turn) => this.#turn(turn, page.answers)), ...this.turns];
      this.#from = from ?? this.#from;
      this.earlier = page.earlier;
    } finally {
      this.loadingEarlier = false;
    }
  }

  /** A turn of a path; what is on the page of it already stays. */
  #turn(stored: TurnOnPath, answers: readonly AnswerFacts[], former?: Turn): Turn {
    const same = former !== undefined && former.question?.id === stored.question?.id;
    const turn = same ? former : new Turn(former?.key ?? this.#nextKey++, stored.question);
    turn.question = stored.question;
    if (stored.answer === null) turn.answer = null;
    else if (turn.answer !== null && turn.answer.leafId === stored.answer.leafId) turn.answer.place(stored.answer);
    else {
      const facts = answers.find(({ id }) => id === stored.answer?.answerId) ?? null;
      turn.answer = Answer.stored(stored.answer, facts);
    }
    return turn;
  }
}

/** The end of the path to the head; below a question that got no answer last, of the latest one that has. */
export async function headPage(talk: Talk): Promise<PathPage> {
  const page = await talk.path({});
  const last = page.entries.at(-1);
  if (last?.role !== "user" || page.answers.some((facts) => isOpen(facts) && facts.leafId === last.id)) return page;
  return talk.path({ through: last.id });
}

/** The path to an item; where that was deleted, `otherwise`. */
export async function pathToStored(talk: Talk, leaf: string, otherwise: PathPage): Promise<PathPage> {
  try {
    return await talk.path({ leaf });
  } catch (error) {
    if (error instanceof Problem && error.code === "item_not_found") return otherwise;
    throw error;
  }
}

/** The latest path through an item, from its end up to that item or as many pages further. */
export async function pathThrough(talk: Talk, itemId: string, mostPages: number): Promise<PathPage> {
  let page = await talk.path({ through: itemId });
  const leaf = page.entries.at(-1)!.id;
  const hasItem = () => page.entries.some(({ id }) => id === itemId);
  for (let pages = 0; page.earlier && !hasItem() && pages < mostPages; pages++) {
    const more = await talk.path({ leaf }, PAGE_ITEMS, page.entries[0]!.id);
    page = { ...more, entries: [...more.entries, ...page.entries], answers: [...more.answers, ...page.answers] };
  }
  return page;
}

/** Learns where the server has put a turn's question and its answer. */
export async function placeOnPath(talk: Talk, turn: Turn): Promise<void> {
  const { answer } = turn;
  const leafId = answer?.leafId ?? null;
  const stored = turnsOf(await talk.path(leafId === null ? {} : { leaf: leafId }, LAST_ITEMS)).turns.at(-1);
  if (!stored?.question || stored.question.text !== turn.question?.text) return;
  turn.question = stored.question;
  if (answer === null || stored.answer === null) return;
  const same = leafId === null ? stored.answer.answerId === answer.id : stored.answer.leafId === leafId;
  if (same) answer.place(stored.answer);
}
