/**
 * The conversation on the page: one path through its tree, what is being answered, and what waits to be asked.
 *
 * The server owns what is kept: this class shows a path of it, and its verbs add to the tree; none replaces anything.
 */
import type { ConversationAgent, ConversationUpdated } from "../api/schema";
import { nameConversation, readConversation, type ConversationBody } from "../api/conversations";
import { Problem } from "../api/problem";
import { Answer } from "./answer.svelte";
import { Beginning } from "./beginning";
import { headPage, Path, pathThrough, pathToStored, placeOnPath } from "./path.svelte";
import { Queue, type Queued } from "./queue.svelte";
import { ServerTalk, type Ask, type Events, type Talk } from "./talks";
import { modelForTitle } from "./title";
import type { AnswerFacts, PathPage } from "./tree";
import type { Turn } from "./turn.svelte";

/** How many further pages are read to find the place where a branch leaves the path that is shown. */
const MOST_PAGES_TO_FORK = 5;
/** How many are read to reach a message that was searched for. */
const MOST_PAGES_TO_ITEM = 25;

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
  #running = $state.raw<Answer | null>(null);
  readonly #path = new Path();
  readonly #queue: Queue;
  #talk: Talk | null = null;
  /** Of the state that is shown: it grows when something is deleted; null until it was heard. */
  #edition: number | null = null;
  readonly #beginning = new Beginning();
  readonly #around: Surroundings;
  #left = new AbortController();
  #leaving = false;
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
    this.#queue = new Queue(around.onQueue);
    this.id = id;
    if (id !== null) {
      this.#talk = new ServerTalk(id);
      this.phase = "loading";
    }
  }

  get turns(): readonly Turn[] {
    return this.#path.turns;
  }

  get last(): Turn | null {
    return this.#path.last;
  }

  /** Whether the path has items above those on the page. */
  get earlier(): boolean {
    return this.#path.earlier;
  }

  get loadingEarlier(): boolean {
    return this.#path.loadingEarlier;
  }

  /** What waits to be asked. */
  get queue(): readonly Queued[] {
    return this.#queue.messages;
  }

  /** Whether anything was asked in it. */
  get begun(): boolean {
    return this.turns.length > 0 || this.queue.length > 0;
  }

  /** Whether it is empty, here and on the server. */
  get isNew(): boolean {
    return this.id === null && !this.begun;
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
      const [body, page] = await Promise.all([readConversation(this.id), headPage(this.#talk)]);
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
      const leaf = this.#path.leafId;
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

  /** `anew`: something was deleted, so that nothing stays on the page that isn’t read again. */
  async #showAdded({ anew = false } = {}): Promise<void> {
    const talk = this.#talk!;
    const leaf = this.#path.leafId;
    let page = await headPage(talk);
    if (leaf !== null && !page.entries.some((entry) => entry.id === leaf)) page = await pathToStored(talk, leaf, page);
    const isAsItWas = this.#path.leafId === leaf; // else something was asked or shown here meanwhile
    if (isAsItWas && this.#mayBeShownAnew) this.#show(page, { begunElsewhere: true, anew });
  }

  /** Reads the page above the first turn. */
  async readEarlier(): Promise<void> {
    try {
      if (this.#talk !== null) await this.#path.readEarlier(this.#talk);
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  /** Asks below the last answer; while one is being written, the message waits for its end. */
  async ask(text: string): Promise<void> {
    if (this.phase === "loading") await this.#opening;
    const model = this.#around.model();
    if (model === null) return;
    if (this.answering || this.phase !== "ready") return this.hold(text);
    await this.#ask(this.#path.ask(text, null), model);
  }

  /** Keeps a message to be asked later. */
  hold(text: string): void {
    this.#queue.add(text);
  }

  /** Asks something else beside a question. */
  async edit(turn: Turn, text: string): Promise<void> {
    await this.#settling;
    const model = this.#around.model();
    if (model === null || this.answering || turn.question === null) return;
    await this.#ask(this.#path.ask(text, turn.question.parentId, turn), model);
  }

  /** Answers a question once more, beside the answer that it has. */
  async answerAgain(turn: Turn): Promise<void> {
    await this.#settling;
    const model = this.#around.model();
    if (model === null || this.answering || turn.question === null) return;
    const { id } = turn.question;
    this.#path.endAt(turn);
    if (id === null) await this.#ask(turn, model);
    else await this.#answer(turn, new Answer(model), { model, parentId: id, question: null });
  }

  /** Goes on with an answer that ended too early: as another answer, which begins with its text. */
  async goOn(turn: Turn, otherwise: string): Promise<void> {
    await this.#settling;
    const model = this.#around.model();
    const former = turn.answer;
    const parentId = turn.question?.id ?? null;
    if (model === null || this.answering || former === null || parentId === null) return;
    this.#path.endAt(turn);
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
      const page = await pathThrough(talk, itemId, mostPages);
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
    const here = this.turns.find((turn) => turn.has(itemId));
    if (here !== undefined || this.answering) return here ?? null;
    try {
      const page = await pathThrough(talk, itemId, MOST_PAGES_TO_ITEM);
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

  #learn(known: Pick<ConversationBody, "title" | "visibility" | "project_id">): void {
    this.title = known.title;
    this.visibility = known.visibility;
    this.projectId = known.project_id;
  }

  /** Takes in what was changed elsewhere: by others, or by the same person in another window. */
  async hear(
    news: Pick<ConversationUpdated, "title" | "visibility" | "project_id" | "head_id" | "running" | "edition">,
  ): Promise<void> {
    this.#learn(news);
    await this.#settling;
    if (this.#unplaced !== null) await this.#placeAgain(this.#unplaced);
    this.#edition ??= news.edition;
    const anew = news.edition !== this.#edition;
    const same = news.head_id === this.#path.leafId && news.running.length === 0;
    if ((same && !anew) || !this.#mayBeShownAnew) return;
    try {
      await this.#showAdded({ anew });
      this.#edition = news.edition;
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
    this.#queue.prefer(queued);
    if (this.answering) {
      this.#sendsNext = true;
      await this.stop();
    } else await this.#askNext();
  }

  remove(queued: Queued): void {
    this.#queue.remove(queued);
  }

  /** What waited when the page was left. */
  restoreQueue(texts: readonly string[]): void {
    this.#queue.restore(texts);
  }

  /** Follows nothing any more; the server's answers go on. A first question still reaches the server. */
  leave(): void {
    this.#leaving = true;
    const isAskingFirst = this.id === null && this.answering && !this.temporary;
    if (!isAskingFirst) this.#left.abort();
  }

  #ask(turn: Turn, model: string): Promise<void> {
    const { parentId, text } = turn.question!;
    return this.#answer(turn, new Answer(model), { model, parentId, question: text });
  }

  async #answer(
    turn: Turn,
    answer: Answer,
    asked: Omit<Ask, "requestId" | "instructions" | "libraries">,
  ): Promise<void> {
    const former = turn.answer;
    if (former !== null && former.firstId !== null) {
      const number = former.siblings.count + 1;
      answer.siblings = { number, count: number, previousId: former.firstId, nextId: null };
    }
    answer.measure();
    const requestId = (answer.requestId = turn.nextRequestId);
    await this.#receive(turn, answer, async () => {
      await Promise.all([this.#around.settled(), this.#settling]);
      if (this.#unplaced !== null) await this.#place(this.#unplaced);
      const parentId = asked.parentId ?? this.#path.above(turn).at(-1)?.leafId ?? null;
      const model = this.agent === null ? asked.model : `assistant/${this.agent.id}`;
      const libraries = this.temporary ? [] : this.#around.libraries();
      answer.searching = libraries.length > 0;
      const ask = { ...asked, requestId, model, parentId, instructions: this.#around.instructions(), libraries };
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
        if (this.#leaving) return this.#left.abort();
        if (this.#stopWanted) void this.stop();
      }
    } catch (error) {
      if (this.#left.signal.aborted) return;
      if (following.signal.aborted) answer.giveUp();
      else answer.fail(problemFrom(error));
      await this.#dropOrMoveIn(problemFrom(error));
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
    const next = this.#around.model() === null ? null : this.#queue.takeFirst();
    if (next === null) return;
    this.#sendsNext = false;
    await this.ask(next.text);
  }

  /** The server has the first question: the page is at its conversation now. */
  #moveIn(): void {
    const begun = this.#beginning.take();
    if (begun === null) return;
    this.id = begun.id;
    this.visibility = begun.visibility;
    this.#around.onBegun(begun.id);
  }

  async #dropOrMoveIn({ kind }: Problem): Promise<void> {
    if (this.id !== null || this.temporary) return;
    if (kind === "unreachable" || kind === "interrupted") return this.#moveIn(); // it may be asked there
    this.#talk = null;
    await this.#beginning.drop();
  }

  /** Makes the conversation that the first question is asked in. */
  async #begin(): Promise<Talk> {
    if (!this.temporary) {
      const talk = await this.#beginning.make({
        metadata: this.#around.metadata(),
        agent_id: this.agent?.id,
        project_id: this.projectId ?? undefined,
      });
      if (talk !== null) return talk;
      this.temporary = this.neverKept = true;
    }
    const { MemoryTalk } = await import("./memory-talk");
    return new MemoryTalk();
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

  /** The server is there again. */
  async #placeAgain(turn: Turn): Promise<void> {
    try {
      await this.#place(turn);
      this.problem = null;
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  async #place(turn: Turn): Promise<void> {
    if (this.#talk !== null) await placeOnPath(this.#talk, turn);
    this.#unplaced = null;
  }

  #show(page: PathPage, { begunElsewhere = false, anew = false } = {}): void {
    const open = this.#path.show(page, { anew });
    if (open !== null) void this.#follow(this.last!, open, begunElsewhere);
  }

  /** Asks a model for a title, when one is to be asked: after an answer or, with null, when it is opened. */
  async #nameItself(answered: Turn | null = null): Promise<void> {
    const model = modelForTitle(this, answered);
    if (this.id === null || this.#titling || model === null) return;
    this.#titling = true;
    try {
      this.title = (await nameConversation(this.id, model, this.#left.signal)).title;
      this.#around.onNamed();
    } catch {
      // It is named the next time that it is opened or answered: nothing that a reader has to do something about.
    } finally {
      this.#titling = false;
    }
  }
}

function problemFrom(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem("invalid", String(error));
}
