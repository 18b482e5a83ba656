/**
 * The conversation on the page: one path through its tree, what is being answered, and what waits to be asked.
 *
 * The server owns what is kept: this class shows a path of it, and its verbs add to the tree; none replaces anything.
 */
import type { ConversationAgent, ConversationUpdated } from "../api/schema";
import {
  createConversation,
  deleteConversation,
  nameConversation,
  readConversation,
  type ConversationBody,
} from "../api/conversations";
import { Problem } from "../api/problem";
import { newQuestionId } from "../api/responses";
import { Answer } from "./answer.svelte";
import { MemoryTalk, PAGE_ITEMS, ServerTalk, type Ask, type Events, type Talk } from "./talks";
import {
  ALONE,
  isBeginning,
  isOpen,
  turnsOf,
  type AnswerFacts,
  type PathPage,
  type QuestionOnPath,
  type TurnOnPath,
} from "./tree";

export type { Answer } from "./answer.svelte";

/** How many further pages are read to find the place where a branch leaves the path that is shown. */
const MOST_PAGES_TO_FORK = 5;
/** How many are read to reach a message that was searched for. */
const MOST_PAGES_TO_ITEM = 25;
/** How many answers a model is asked for a title after, while there is none but the question's words. */
const MOST_TITLED = 3;
/** Enough for a question and its answer. */
const LAST_ITEMS = 6;

export interface Question extends Omit<QuestionOnPath, "id"> {
  /** null until the server has it. */
  id: string | null;
  /** The id that it gets there. */
  askedAs?: string;
}

/** A question and its answer. */
export class Turn {
  /** The place on the page, which keeps what has the focus there. */
  readonly key: number;
  question = $state.raw<Question | null>(null);
  answer = $state.raw<Answer | null>(null);

  constructor(key: number, question: Question | null) {
    this.key = key;
    this.question = question;
  }

  /** The item that the next question is below. */
  get leafId(): string | null {
    return this.answer?.leafId ?? this.question?.id ?? null;
  }
}

/** A message that was searched for, and the turn that it is in. */
export interface Reached {
  turn: number;
  itemId: string;
}

/** A message that waits for the end of an answer, or for documents. */
export interface Queued {
  key: number;
  text: string;
}

export interface Surroundings {
  /** Each question waits for it: whoever asks while they are being signed in is not refused for that. */
  settled: () => Promise<void>;
  /** The model that answers next; null where there is none. */
  model: () => string | null;
  /** What the organization wants conversations to begin with; empty for nothing. */
  instructions: () => string;
  /** The libraries of documents that answers use. */
  libraries: () => readonly string[];
  /** What a new conversation is given. */
  metadata: () => Record<string, string>;
  /** Whether what waits stays where it is when an answer ends: it waits for documents too. */
  holds: () => boolean;
  /** Told what the server has of a conversation that is opened. */
  onRead: (body: ConversationBody) => void;
  /** Told of each answer once, when nothing more will come of it. */
  onEnd: (answer: Answer) => void;
  /** Told when the conversation has an address. */
  onBegun: (id: string) => void;
  /** Told when it has a title. */
  onNamed: () => void;
  /** Told when a connection that was lost is there again. */
  onBack: () => void;
  /** Told when what waits to be asked has changed. */
  onQueue: () => void;
}

export class Conversation {
  id = $state<string | null>(null);
  title = $state<string | null>(null);
  /** The assistant that answers, as it was when the conversation began; null for a model alone. */
  agent = $state.raw<ConversationAgent | null>(null);
  /** Who sees it: its person alone, or everybody in the workspace. */
  visibility = $state("user");
  /** The project that it is in, whose documents its answers search too. */
  projectId = $state<string | null>(null);
  phase = $state<"loading" | "ready" | "missing" | "failed">("ready");
  /** Why it could not be opened, or the last thing that was asked of the server in passing. */
  problem = $state.raw<Problem | null>(null);
  /** Kept nowhere. */
  temporary = $state(false);
  /** It is temporary since the organization keeps nothing. */
  neverKept = $state(false);
  turns = $state.raw<readonly Turn[]>([]);
  /** Whether the path has items above those on the page. */
  earlier = $state(false);
  loadingEarlier = $state(false);
  queue = $state.raw<readonly Queued[]>([]);
  #running = $state.raw<Answer | null>(null);
  #talk: Talk | null = null;
  /** What was made on the server for the first question, until the server has that. */
  #made: ConversationBody | null = null;
  #around: Surroundings;
  #left = new AbortController();
  #nextKey = 1;
  /** The highest item on the page. */
  #from: string | null = null;
  #stopWanted = false;
  /** What follows the running answer, until it is given up. */
  #following = new AbortController();
  /** Done when the server's place of the last answer is known. */
  #settling: Promise<void> = Promise.resolve();
  /** The turn whose place could not be learnt. */
  #unplaced: Turn | null = null;
  #sendsNext = false;
  #titling = false;
  #opening: Promise<void> = Promise.resolve();

  constructor(around: Surroundings, id: string | null = null) {
    this.#around = around;
    this.id = id;
    if (id !== null) {
      this.#talk = new ServerTalk(id);
      this.phase = "loading";
    }
  }

  get last(): Turn | null {
    return this.turns.at(-1) ?? null;
  }

  get answering(): boolean {
    return this.#running !== null;
  }

  /** Done when the server's place of the last answer is known. */
  get settled(): Promise<void> {
    return this.#settling;
  }

  /** Whether leaving the page loses what was said. */
  get losesOnLeaving(): boolean {
    return this.temporary && this.turns.length > 0;
  }

  /** Reads the end of the path to the head, and follows the answer that is being written there. */
  open(): Promise<void> {
    return (this.#opening = this.#open());
  }

  async #open(): Promise<void> {
    if (this.id === null || this.#talk === null) return;
    this.phase = "loading";
    try {
      await this.#around.settled();
      const [body, page] = await Promise.all([readConversation(this.id), this.#headPage(this.#talk)]);
      this.agent = body.agent ?? null;
      this.#learn(body);
      this.#around.onRead(body);
      this.#show(page);
      this.phase = "ready";
    } catch (error) {
      this.problem = problemFrom(error);
      this.phase = this.problem.kind === "model" ? "missing" : "failed";
      return;
    }
    void this.#nameItself();
  }

  /** Learns what has been added elsewhere since, on the path that is shown. */
  async refresh(): Promise<void> {
    await this.#settling;
    if (this.id === null || !this.#mayBeShownAnew) return;
    try {
      const body = await readConversation(this.id);
      this.#learn(body);
      const leaf = this.last?.leafId ?? null;
      if (body.head_id !== leaf || leaf === null) await this.#showAdded();
    } catch (error) {
      this.problem = problemFrom(error);
      if (this.problem.kind === "model") this.phase = "missing";
    }
  }

  /** A question that the server doesn't have is on this page alone: nothing takes its place. */
  get #mayBeShownAnew(): boolean {
    return this.#talk !== null && !this.answering && this.phase === "ready" && this.last?.question?.id !== null;
  }

  async #showAdded(): Promise<void> {
    const talk = this.#talk!;
    const leaf = this.last?.leafId ?? null;
    let page = await this.#headPage(talk);
    if (leaf !== null && !page.entries.some((entry) => entry.id === leaf)) page = await talk.path({ leaf });
    const isAsItWas = (this.last?.leafId ?? null) === leaf; // else something was asked or shown here meanwhile
    if (isAsItWas && this.#mayBeShownAnew) this.#show(page, { begunElsewhere: true });
  }

  /** Reads the page above the first turn. */
  async readEarlier(): Promise<void> {
    const leaf = this.last?.leafId;
    if (!this.earlier || this.loadingEarlier || this.#talk === null || this.#from === null || !leaf) return;
    this.loadingEarlier = true;
    try {
      const page = await this.#talk.path({ leaf }, PAGE_ITEMS, this.#from);
      const { turns, from } = turnsOf(page);
      this.turns = [...turns.map((turn) => this.#turn(turn, page.answers)), ...this.turns];
      this.#from = from ?? this.#from;
      this.earlier = page.earlier;
    } catch (error) {
      this.problem = problemFrom(error);
    } finally {
      this.loadingEarlier = false;
    }
  }

  /** Asks below the last answer; while one is being written, the message waits for its end. */
  async ask(text: string): Promise<void> {
    if (this.phase === "loading") await this.#opening;
    const model = this.#around.model();
    if (model === null) return;
    if (this.answering || this.phase !== "ready") return this.hold(text);
    await this.#askBelow(null, text, model, this.turns);
  }

  /** Keeps a message to be asked later. */
  hold(text: string): void {
    this.queue = [...this.queue, { key: this.#nextKey++, text }];
    this.#around.onQueue();
  }

  /** Asks something else beside a question. */
  async edit(turn: Turn, text: string): Promise<void> {
    await this.#settling;
    const model = this.#around.model();
    if (model === null || this.answering || turn.question === null) return;
    await this.#askBelow(turn.question.parentId, text, model, this.turns.slice(0, this.turns.indexOf(turn)), turn.key);
  }

  /** Answers a question once more, beside the answer that it has. */
  async answerAgain(turn: Turn): Promise<void> {
    await this.#settling;
    const model = this.#around.model();
    if (model === null || this.answering || turn.question === null) return;
    const { id, askedAs, parentId, text } = turn.question;
    this.turns = this.turns.slice(0, this.turns.indexOf(turn) + 1);
    const asked = id === null ? { parentId, question: text, questionId: askedAs } : { parentId: id, question: null };
    await this.#answer(turn, new Answer(model), { model, ...asked });
  }

  /** Goes on with an answer that ended too early: as another answer, which begins with its text. */
  async goOn(turn: Turn, otherwise: string): Promise<void> {
    await this.#settling;
    const model = this.#around.model();
    const former = turn.answer;
    const parentId = turn.question?.id ?? null;
    if (model === null || this.answering || former === null || parentId === null) return;
    this.turns = this.turns.slice(0, this.turns.indexOf(turn) + 1);
    const answer = new Answer(model);
    answer.borrow(former.text);
    await this.#answer(turn, answer, { model, parentId, question: null, prefix: former.text });
    if (answer.problem?.kind !== "invalid") return;
    turn.answer = former; // this model's maker takes no beginnings of answers
    await this.ask(otherwise);
  }

  /** Shows the latest path through another item in place of the turn's question or answer. */
  async walk(turn: Turn, itemId: string): Promise<void> {
    const talk = this.#talk;
    if (this.answering || talk === null) return;
    try {
      const mostPages = turn.question?.parentId == null ? 0 : MOST_PAGES_TO_FORK;
      const page = await this.#pathThrough(talk, itemId, mostPages);
      if (this.answering) return; // something was asked meanwhile
      this.#show(page);
      await talk.moveHead(page.entries.at(-1)!.id);
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  /** Shows the path through a message, and returns the turn that it is in; null where it can't be reached. */
  async reach(itemId: string): Promise<Turn | null> {
    const talk = this.#talk;
    if (talk === null || this.phase !== "ready") return null;
    const isHere = ({ question, answer }: Turn) => [question?.id, answer?.firstId, answer?.leafId].includes(itemId);
    const here = this.turns.find(isHere);
    if (here !== undefined || this.answering) return here ?? null;
    try {
      const page = await this.#pathThrough(talk, itemId, MOST_PAGES_TO_ITEM);
      const at = page.entries.findIndex(({ id }) => id === itemId);
      if (at < 0 || this.answering) return null;
      this.#show(page);
      const question = page.entries.slice(0, at + 1).findLast(({ role }) => role === "user");
      return this.turns.find((turn) => turn.question?.id === question?.id) ?? this.turns[0] ?? null;
    } catch (error) {
      this.problem = problemFrom(error);
      return null;
    }
  }

  /** The latest path through an item, from its end up to that item or as many pages further. */
  async #pathThrough(talk: Talk, itemId: string, mostPages: number): Promise<PathPage> {
    let page = await talk.path({ through: itemId });
    const leaf = page.entries.at(-1)!.id;
    const hasItem = () => page.entries.some(({ id }) => id === itemId);
    for (let pages = 0; page.earlier && !hasItem() && pages < mostPages; pages++) {
      const more = await talk.path({ leaf }, PAGE_ITEMS, page.entries[0]!.id);
      page = { ...more, entries: [...more.entries, ...page.entries], answers: [...more.answers, ...page.answers] };
    }
    return page;
  }

  #learn(known: Pick<ConversationBody, "title" | "visibility" | "project_id">): void {
    this.title = known.title;
    this.visibility = known.visibility;
    this.projectId = known.project_id;
  }

  /** Takes in what was changed elsewhere: by others, or by the same person in another window. */
  async hear(
    news: Pick<ConversationUpdated, "title" | "visibility" | "project_id" | "head_id" | "running">,
  ): Promise<void> {
    this.#learn(news);
    await this.#settling;
    const same = news.head_id === (this.last?.leafId ?? null) && news.running.length === 0;
    if (same || !this.#mayBeShownAnew) return;
    try {
      await this.#showAdded();
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  /** It was deleted, or is kept from this person now. */
  vanish(): void {
    this.phase = "missing";
  }

  /** Ends the running answer; what has arrived stays. */
  async stop(): Promise<void> {
    const answer = this.#running;
    if (answer === null || this.#talk === null) return;
    if (answer.id === null) {
      this.#stopWanted = true;
      return;
    }
    try {
      await this.#talk.stop(answer.id);
    } catch (error) {
      this.problem = problemFrom(error);
      this.#following.abort(); // nobody is there: it is stopped on this page at least
    }
  }

  /** Ends the running answer and asks what waits. */
  async sendNow(queued: Queued): Promise<void> {
    this.queue = [queued, ...this.queue.filter((one) => one !== queued)];
    if (this.answering) {
      this.#sendsNext = true;
      await this.stop();
    } else await this.#askNext();
  }

  remove(queued: Queued): void {
    this.queue = this.queue.filter((one) => one !== queued);
    this.#around.onQueue();
  }

  /** What waited when the page was left. */
  restoreQueue(texts: readonly string[]): void {
    this.queue = [...texts.map((text) => ({ key: this.#nextKey++, text })), ...this.queue];
  }

  /** Follows nothing any more; the server's answers go on. */
  leave(): void {
    this.#left.abort();
  }

  async #askBelow(
    parentId: string | null,
    text: string,
    model: string,
    above: readonly Turn[],
    key = this.#nextKey++,
  ): Promise<void> {
    const askedAs = newQuestionId();
    const turn = new Turn(key, { id: null, askedAs, parentId, text, answerId: null, siblings: ALONE });
    this.turns = [...above, turn];
    await this.#answer(turn, new Answer(model), { model, parentId, question: text, questionId: askedAs });
  }

  async #answer(turn: Turn, answer: Answer, asked: Omit<Ask, "instructions" | "libraries">): Promise<void> {
    const former = turn.answer;
    if (former !== null && former.firstId !== null) {
      const number = former.siblings.count + 1;
      answer.siblings = { number, count: number, previousId: former.firstId, nextId: null };
    }
    answer.measure();
    await this.#receive(turn, answer, async () => {
      await Promise.all([this.#around.settled(), this.#settling]);
      if (this.#unplaced !== null) await this.#place(this.#unplaced);
      const parentId = asked.parentId ?? this.turns[this.turns.indexOf(turn) - 1]?.leafId ?? null;
      const model = this.agent === null ? asked.model : `assistant/${this.agent.id}`;
      const libraries = this.temporary ? [] : this.#around.libraries();
      answer.searching = libraries.length > 0;
      const ask = { ...asked, model, parentId, instructions: this.#around.instructions(), libraries };
      return (this.#talk ??= await this.#begin()).answer(ask, this.#follower(answer));
    });
  }

  /** Follows an answer that was being written when the page came to it, or that another window has begun. */
  async #follow(turn: Turn, facts: AnswerFacts, begunElsewhere: boolean): Promise<void> {
    const answer = new Answer(facts.model);
    answer.id = facts.id;
    answer.begunElsewhere = begunElsewhere;
    if (turn.answer !== null) answer.stayBelow(turn.answer);
    await this.#receive(turn, answer, () => Promise.resolve(this.#talk!.follow(facts.id, this.#follower(answer))));
  }

  #follower(answer: Answer) {
    const onLost = (lost: boolean) => {
      answer.lost = lost;
      if (!lost) this.#around.onBack();
    };
    return { signal: AbortSignal.any([this.#left.signal, this.#following.signal]), onLost };
  }

  async #receive(turn: Turn, answer: Answer, begin: () => Promise<Events>): Promise<void> {
    turn.answer = answer;
    this.#running = answer;
    this.#stopWanted = false;
    this.problem = null;
    const following = (this.#following = new AbortController());
    try {
      for await (const event of await begin()) {
        answer.take(event);
        if (event.type !== "begun") continue;
        this.#moveIn();
        if (this.#stopWanted) void this.stop();
      }
    } catch (error) {
      if (this.#left.signal.aborted) return;
      if (following.signal.aborted) answer.giveUp();
      else answer.fail(problemFrom(error));
      await this.#dropUnasked(problemFrom(error));
    }
    this.#settling = this.#settle(turn, answer);
    this.#running = null;
    this.#around.onEnd(answer);
    if (!answer.begunElsewhere) void this.#nameItself(turn);
    const goesOn = answer.state === "finished" && !this.#around.holds();
    if (this.queue.length > 0 && (goesOn || this.#sendsNext)) await this.#askNext();
    this.#sendsNext = false;
  }

  async #askNext(): Promise<void> {
    const [next, ...rest] = this.queue;
    if (next === undefined || this.#around.model() === null) return;
    this.#sendsNext = false;
    this.queue = rest;
    this.#around.onQueue();
    await this.ask(next.text);
  }

  /** The server has the first question: the page is at its conversation now. */
  #moveIn(): void {
    const made = this.#made;
    if (made === null) return;
    this.#made = null;
    this.id = made.id;
    this.visibility = made.visibility;
    this.#around.onBegun(made.id);
  }

  /** Deletes what was made for a question that was refused: an empty conversation is nobody's. */
  async #dropUnasked(problem: Problem): Promise<void> {
    if (this.#made === null) return;
    if (problem.kind === "unreachable" || problem.kind === "interrupted") return this.#moveIn(); // it may be asked there
    const { id } = this.#made;
    this.#made = this.#talk = null;
    await deleteConversation(id).catch(() => undefined); // it stays, empty: the refusal matters more
  }

  /** Makes the conversation that the first question is asked in. */
  async #begin(): Promise<Talk> {
    if (this.temporary) return new MemoryTalk();
    try {
      this.#made = await createConversation(this.#around.metadata(), this.agent?.id);
      return new ServerTalk(this.#made.id);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "conversations_not_kept") throw error;
      this.temporary = true;
      this.neverKept = true;
      return new MemoryTalk();
    }
  }

  /** Learns where the server has put the question and its answer. */
  async #settle(turn: Turn, answer: Answer): Promise<void> {
    if (answer.id === null && this.id !== null) return; // nothing of it was stored
    try {
      await this.#place(turn);
    } catch (error) {
      this.#unplaced = turn;
      this.problem = problemFrom(error);
    }
  }

  async #place(turn: Turn): Promise<void> {
    const { answer } = turn;
    const leafId = answer?.leafId ?? null;
    const page = await this.#talk?.path(leafId === null ? {} : { leaf: leafId }, LAST_ITEMS);
    this.#unplaced = null;
    const stored = page && turnsOf(page).turns.at(-1);
    if (!stored?.question || stored.question.text !== turn.question?.text) return;
    turn.question = stored.question;
    if (answer === null || stored.answer === null) return;
    const same = leafId === null ? stored.answer.answerId === answer.id : stored.answer.leafId === leafId;
    if (same) answer.place(stored.answer);
  }

  /** The end of the path to the head; below a question that got no answer last, of the latest one that has. */
  async #headPage(talk: Talk): Promise<PathPage> {
    const page = await talk.path({});
    const last = page.entries.at(-1);
    if (last?.role !== "user" || page.answers.some((facts) => isOpen(facts) && facts.leafId === last.id)) return page;
    return talk.path({ through: last.id });
  }

  /** Shows a page of a path: below the turns above it that are on the page already, or alone. */
  #show(page: PathPage, { begunElsewhere = false } = {}): void {
    const { turns, from } = turnsOf(page);
    const first = turns[0]?.question?.id ?? null;
    const at = first === null ? -1 : this.turns.findIndex((turn) => turn.question?.id === first);
    const above = this.turns.slice(0, Math.max(0, at));
    const replaced = this.turns.slice(above.length);
    const shown = turns.map((turn, index) => this.#turn(turn, page.answers, replaced[index]));
    this.turns = [...above, ...shown];
    if (at < 0) [this.#from, this.earlier] = [from, page.earlier];
    const last = this.last;
    if (last === null) return;
    const open = page.answers.find((facts) => isOpen(facts) && facts.leafId === page.entries.at(-1)?.id);
    if (open !== undefined) void this.#follow(last, open, begunElsewhere);
    else if (last.answer === null && last.question !== null) {
      const facts = page.answers.find(({ id }) => id === last.question?.answerId);
      if (facts !== undefined) last.answer = Answer.empty(facts);
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

  /**
   * Asks a model for a title, once there is something to name. The server has named a conversation by its question
   * where nothing was answered, or no model made a title: after the first answers, one is asked again.
   */
  async #nameItself(answered: Turn | null = null): Promise<void> {
    const first = this.turns.find(({ answer }) => answer !== null && !answer.running && answer.text !== "");
    if (this.id === null || this.#titling || !first?.question || this.earlier) return;
    if (this.title !== null && (answered === null || !this.#mayBeNamedBetter(this.title, first, answered))) return;
    this.#titling = true;
    try {
      this.title = (await nameConversation(this.id, (answered ?? first).answer!.model, this.#left.signal)).title;
      this.#around.onNamed();
    } catch {
      // It is named the next time that it is opened or answered: nothing that a reader has to do something about.
    } finally {
      this.#titling = false;
    }
  }

  #mayBeNamedBetter(title: string, first: Turn, answered: Turn): boolean {
    if (answered === first) return true;
    return this.turns.indexOf(answered) < MOST_TITLED && isBeginning(title, first.question?.text ?? "");
  }
}

function problemFrom(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem("invalid", String(error));
}
