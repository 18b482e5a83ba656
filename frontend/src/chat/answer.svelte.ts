/** One answer on the page: while it arrives, and after. */
import type { Problem } from "../api/problem";
import { problemOfAnswer, type ResponseEvent } from "../api/responses";
import type { ResponseUsage } from "../api/schema";
import { ThoughtSplitter, type Piece } from "../api/thoughts";
import { notesOf, type Note } from "./documents/notes";
import { Meter, type Figures } from "./meter";
import {
  ALONE,
  incompleteOf,
  splitThoughts,
  type AnswerFacts,
  type AnswerOnPath,
  type Incomplete,
  type Siblings,
} from "./tree";

export type AnswerStatus = "waiting" | "streaming" | "finished" | "stopped" | "failed";

const FIGURES_EVERY_MS = 250;
/** Tokens that come faster than a page can be drawn are shown together. */
const SHOWN_EVERY_MS = 64;

export class Answer {
  /** The server's name for it, once it has begun there. */
  id: string | null = null;
  /** The page's own, of the request for it; null where this page asked for nothing. */
  requestId: string | null = null;
  model = $state("");
  text = $state("");
  /** What the model said to itself before it answered. */
  thoughts = $state("");
  /** The passages that its marks name, in the order of the marks. */
  notes = $state.raw<readonly Note[]>([]);
  /** Documents are searched before it begins. */
  searching = $state(false);
  state = $state<AnswerStatus>("waiting");
  problem = $state.raw<Problem | null>(null);
  figures = $state.raw<Figures | null>(null);
  usage = $state.raw<ResponseUsage | null>(null);
  incomplete = $state<Incomplete>(null);
  /** The connection is lost; the server goes on, and the page looks for it. */
  lost = $state(false);
  siblings = $state.raw<Siblings>(ALONE);
  /** Another page asked for it while this one was open: what is done once after an answer is done there. */
  begunElsewhere = false;
  /** Its first and last item, once they are stored. */
  firstId: string | null = null;
  leafId: string | null = null;
  /** Whether its text so far is that of the answer that it continues, shown until its own arrives. */
  #borrowed = false;
  /** How many characters of it are to come that are that answer's, at no speed. */
  #repeated = 0;
  /** What its turn has above it already. */
  #above: Pick<Answer, "text" | "thoughts" | "notes"> = { text: "", thoughts: "", notes: [] };
  /** What has come and is not shown yet. */
  #pending: Piece[] = [];
  #showing: ReturnType<typeof setTimeout> | undefined;
  #splitter = new ThoughtSplitter();
  #meter: Meter | null = null;
  #shown = -Infinity;

  constructor(model: string) {
    this.model = model;
  }

  /** As it is on a path, with what is known of how it ended. */
  static stored(stored: AnswerOnPath, facts: AnswerFacts | null): Answer {
    const answer = new Answer(facts?.model ?? "");
    answer.text = stored.text;
    answer.thoughts = stored.thoughts;
    answer.notes = stored.notes;
    answer.state = "finished";
    answer.place(stored);
    if (facts !== null) answer.learn(facts);
    return answer;
  }

  /** One that ended without a word. */
  static empty(facts: AnswerFacts): Answer {
    const answer = new Answer(facts.model);
    answer.state = "finished";
    answer.learn(facts);
    return answer;
  }

  get running(): boolean {
    return this.state === "waiting" || this.state === "streaming";
  }

  /** Whether it can be continued: it ended before the model was done. */
  get unfinished(): boolean {
    return this.text !== "" && (this.state === "stopped" || this.incomplete === "length" || this.state === "failed");
  }

  /** Begins to measure how fast it comes; what is replayed says nothing of that. */
  measure(): void {
    this.#meter = new Meter(performance.now());
  }

  /** Shows the text of the answer that this one continues. */
  borrow(text: string): void {
    this.text = text;
    this.#borrowed = true;
    this.#repeated = text.length;
  }

  /** Keeps what the turn has already: a function was called there, whose result this one answers. */
  stayBelow({ text, thoughts, notes }: Answer): void {
    const apart = (said: string) => (said === "" ? "" : `${said}\n\n`);
    this.#above = { text: apart(text), thoughts: apart(thoughts), notes };
    Object.assign(this, this.#above);
  }

  place({ firstId, leafId, siblings }: Pick<AnswerOnPath, "firstId" | "leafId" | "siblings">): void {
    this.firstId = firstId;
    this.leafId = leafId;
    this.siblings = siblings;
  }

  learn(facts: AnswerFacts): void {
    this.id = facts.id;
    this.model = facts.model;
    this.usage = facts.usage;
    this.incomplete = facts.incomplete;
    if (facts.status === "cancelled") this.state = "stopped";
    if (facts.status === "failed") {
      this.state = "failed";
      this.problem = problemOfAnswer(facts.error ?? { code: "", message: "" }, facts.model);
    }
  }

  take(event: ResponseEvent): void {
    if (event.type === "begun") {
      this.id = event.id;
      this.model = event.model;
    } else if (event.type === "text" || event.type === "thought") {
      const delta = event.type === "text" ? { content: event.text } : { reasoning_content: event.text };
      this.#pending.push(...this.#splitter.read(delta));
      this.#count(event.text, event.pieces);
      if (this.state === "waiting") this.#showPending();
      else this.#showing ??= setTimeout(() => this.#showPending(), SHOWN_EVERY_MS);
    } else if (event.type === "searched") {
      this.searching = false;
    } else if (event.type === "annotation") {
      this.notes = [...this.notes, ...notesOf([event.annotation])];
    } else if (event.type === "end") {
      this.#pending.push(...this.#splitter.end());
      this.#showPending();
      this.#end(event.end);
    }
  }

  fail(problem: Problem): void {
    this.#showPending();
    this.problem = problem;
    this.state = "failed";
    this.lost = false;
  }

  /** Nothing more is wanted of it here. */
  giveUp(): void {
    this.#showPending();
    this.state = "stopped";
    this.lost = false;
  }

  #showPending(): void {
    clearTimeout(this.#showing);
    this.#showing = undefined;
    const pieces = this.#pending.splice(0);
    if (pieces.length === 0) return;
    let [text, thoughts] = [this.#borrowed ? "" : this.text, this.thoughts];
    this.#borrowed = false;
    for (const piece of pieces) {
      if (piece.type === "textWasThoughts") [thoughts, text] = [thoughts + text, ""];
      else if (piece.type === "text") text += piece.text;
      else thoughts += piece.text;
    }
    [this.text, this.thoughts, this.state] = [text, thoughts, "streaming"];
    this.#showFigures();
  }

  #count(text: string, pieces: number): void {
    this.#repeated -= text.length;
    if (this.#repeated < 0) this.#meter?.add(text, performance.now(), pieces);
  }

  /** With the text, since a frame of their own would cost half as much as one of text. */
  #showFigures(): void {
    const now = performance.now();
    if (this.#meter === null || this.#repeated >= 0 || now - this.#shown < FIGURES_EVERY_MS) return;
    this.figures = this.#meter.figures();
    this.#shown = now;
  }

  #end(end: Extract<ResponseEvent, { type: "end" }>["end"]): void {
    if (end.text !== "" || end.thoughts !== "") {
      const [text, thoughts] = splitThoughts(end.text);
      this.text = this.#above.text + text;
      this.thoughts = this.#above.thoughts + end.thoughts + thoughts;
    }
    if (end.annotations.length > 0) this.notes = [...this.#above.notes, ...notesOf(end.annotations)];
    this.lost = false;
    this.model = end.model;
    this.usage = end.usage;
    this.firstId = end.firstId;
    this.leafId = end.leafId;
    if (this.#meter !== null && (this.text !== "" || this.thoughts !== "")) {
      if (end.usage !== null) this.#meter.settle(end.usage.output_tokens);
      this.figures = this.#meter.figures();
    }
    this.incomplete = incompleteOf(end.incomplete?.reason);
    if (end.status === "failed") this.fail(problemOfAnswer(end.error ?? { code: "", message: "" }, end.model));
    else this.state = end.status === "cancelled" ? "stopped" : "finished";
  }
}
