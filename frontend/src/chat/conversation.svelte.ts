/**
 * The conversation on the page: what was asked, what was answered, what is being answered.
 *
 * It lives as long as the page. Where conversations come to be kept by the server, this class is what loads and
 * stores them; the components only read turns and call its verbs.
 */
import { Problem } from "../api/problem";
import { streamAnswer } from "../api/stream";
import type { ChatMessage } from "../api/types";
import { Meter, type Figures } from "./meter";

export type AnswerState = "waiting" | "streaming" | "finished" | "stopped" | "failed";

const FIGURES_EVERY_MS = 250;

/** One answer, while it arrives and after. */
export class Answer {
  readonly model: string;
  text = $state("");
  /** What the model said to itself before it answered. */
  thoughts = $state("");
  state = $state<AnswerState>("waiting");
  problem = $state<Problem | null>(null);
  figures = $state<Figures | null>(null);
  /** The context was full before the model was done. */
  cut = $state(false);

  constructor(model: string) {
    this.model = model;
  }

  get running(): boolean {
    return this.state === "waiting" || this.state === "streaming";
  }
}

/** A question and its answer. */
export class Turn {
  readonly id: number;
  readonly question: string;
  answer: Answer = $state.raw(new Answer(""));

  constructor(id: number, question: string) {
    this.id = id;
    this.question = question;
  }
}

export class Conversation {
  turns = $state.raw<readonly Turn[]>([]);
  #nextId = 1;
  #running: AbortController | null = null;
  #settled: () => Promise<void>;
  #onEnd: (answer: Answer) => void;
  /** What the organization wants conversations to begin with; empty for nothing. */
  #instructions: () => string;

  /**
   * Each question waits for `settled`: whoever asks while they are being signed in is not refused for it.
   * `onEnd` hears of each answer once, when nothing more will come of it.
   */
  constructor(settled: () => Promise<void>, onEnd: (answer: Answer) => void, instructions: () => string) {
    this.#settled = settled;
    this.#onEnd = onEnd;
    this.#instructions = instructions;
  }

  get last(): Turn | null {
    return this.turns.at(-1) ?? null;
  }

  get answering(): boolean {
    return this.last?.answer.running ?? false;
  }

  async ask(question: string, model: string): Promise<void> {
    if (this.answering) return;
    const turn = new Turn(this.#nextId++, question);
    this.turns = [...this.turns, turn];
    await this.#answer(turn, model);
  }

  /** Answers the last question again, in place of the answer it had. */
  async retry(model: string): Promise<void> {
    if (this.last === null || this.answering) return;
    await this.#answer(this.last, model);
  }

  /** Asks something else instead of the last question. */
  async replaceLast(question: string, model: string): Promise<void> {
    if (this.answering) return;
    this.turns = this.turns.slice(0, -1);
    await this.ask(question, model);
  }

  /** Ends the running answer; what has arrived stays. */
  stop(): void {
    this.#running?.abort();
  }

  clear(): void {
    this.stop();
    this.turns = [];
  }

  async #answer(turn: Turn, model: string): Promise<void> {
    const answer = new Answer(model);
    const controller = new AbortController();
    turn.answer = answer;
    this.#running = controller;
    try {
      await this.#settled();
      await receive(answer, this.#messages(turn), controller.signal);
    } catch (error) {
      if (controller.signal.aborted) {
        answer.state = "stopped";
      } else {
        answer.problem = error instanceof Problem ? error : new Problem("invalid", String(error));
        answer.state = "failed";
      }
    } finally {
      if (this.#running === controller) this.#running = null;
    }
    this.#onEnd(answer);
  }

  /** What the model is shown: every turn up to this one that has an answer, then this question. */
  #messages(turn: Turn): ChatMessage[] {
    const instructions = this.#instructions();
    const messages: ChatMessage[] = instructions === "" ? [] : [{ role: "system", content: instructions }];
    for (const earlier of this.turns) {
      if (earlier === turn) break;
      if (earlier.answer.text === "") continue;
      messages.push({ role: "user", content: earlier.question }, { role: "assistant", content: earlier.answer.text });
    }
    return [...messages, { role: "user", content: turn.question }];
  }
}

async function receive(answer: Answer, messages: ChatMessage[], signal: AbortSignal): Promise<void> {
  const meter = new Meter(performance.now());
  let shown = -Infinity;
  try {
    for await (const event of streamAnswer({ model: answer.model, messages }, signal)) {
      const now = performance.now();
      if (event.type === "textWasThoughts") {
        answer.thoughts += answer.text;
        answer.text = "";
      } else if (event.type === "text" || event.type === "thought") {
        meter.add(event.text, now);
        if (event.type === "text") answer.text += event.text;
        else answer.thoughts += event.text;
        answer.state = "streaming";
        if (now - shown >= FIGURES_EVERY_MS) {
          answer.figures = meter.figures();
          shown = now;
        }
      } else {
        if (event.usage !== null) meter.settle(event.usage.completion_tokens);
        answer.cut = event.finishReason === "length";
        answer.state = "finished";
      }
    }
  } finally {
    if (answer.text !== "" || answer.thoughts !== "") answer.figures = meter.figures();
  }
}
