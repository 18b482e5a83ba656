/** An answer and the branches that leave it: each is the same up to a token, and goes on from another one. */
import { Problem } from "../../api/problem";
import type { TokenLogprob, TopLogprob } from "../../api/schema";
import { problemFrom } from "../lib/problem";
import { continued, type Sampling } from "../lib/scored";
import { promptOf, type PromptMessage } from "../lib/tokenize";
import { scoredAnswer } from "./scored-answer";

export interface Branch {
  number: number;
  /** The number of the branch that it leaves; null for the first answer. */
  parent: number | null;
  /** The place of the token that was replaced. */
  at: number;
  tokens: readonly TokenLogprob[];
  state: "running" | "finished" | "stopped" | "failed";
  /** Why it ended, as the server says. */
  reason: string | null;
}

export class Branches {
  all = $state.raw<readonly Branch[]>([]);
  number = $state(0);
  /** The place of the token that is looked at. */
  chosen = $state<number | null>(null);
  problem = $state.raw<Problem | null>(null);
  #model = "";
  #prompt: readonly number[] = [];
  #controller: AbortController | null = null;

  get current(): Branch | null {
    return this.all[this.number] ?? null;
  }

  get running(): boolean {
    return this.all.some((branch) => branch.state === "running");
  }

  /** Begins anew with a question. */
  async ask(model: string, messages: readonly PromptMessage[], sampling: Sampling): Promise<void> {
    await this.#work(async (signal) => {
      this.#prompt = (await promptOf(model, messages, signal)).tokens;
      this.#model = model;
      this.#begin(null, 0, []);
      await this.#goOn(sampling, signal);
    });
  }

  /** Begins with an answer that is there already: the last message, the assistant's. */
  async look(model: string, messages: readonly PromptMessage[]): Promise<void> {
    await this.#work(async (signal) => {
      const { prompt, tokens } = await scoredAnswer(model, messages, signal);
      this.#prompt = prompt;
      this.#model = model;
      this.#begin(null, 0, tokens);
      this.#change({ state: "finished", reason: "given" });
    });
  }

  /** Goes on from another token at a place of the present answer. */
  async branch(at: number, other: TopLogprob, sampling: Sampling): Promise<void> {
    const from = this.current;
    const replaced = from?.tokens[at];
    if (from === null || replaced === undefined || this.running) return;
    const token: TokenLogprob = { ...other, top_logprobs: replaced.top_logprobs };
    await this.#work(async (signal) => {
      this.#begin(from.number, at, [...from.tokens.slice(0, at), token]);
      this.chosen = at;
      if (other.bytes.length === 0) {
        this.#change({ state: "finished", reason: "stop" }); // a control token: it ends the answer
        return;
      }
      await this.#goOn(sampling, signal);
    });
  }

  stop(): void {
    this.#controller?.abort();
  }

  show(number: number): void {
    this.number = number;
    const tokens = this.current?.tokens.length ?? 0;
    if (this.chosen !== null && this.chosen >= tokens) this.chosen = null;
  }

  async #work(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.stop();
    const controller = (this.#controller = new AbortController());
    this.problem = null;
    try {
      await work(controller.signal);
    } catch (error) {
      if (controller !== this.#controller) return;
      this.problem = problemFrom(error);
      const state = this.problem === null ? "stopped" : "failed";
      this.all = this.all.map((branch) => (branch.state === "running" ? { ...branch, state } : branch));
    }
  }

  #begin(parent: number | null, at: number, tokens: readonly TokenLogprob[]): void {
    if (parent === null) {
      this.all = [];
      this.chosen = null;
    }
    const number = this.all.length;
    this.all = [...this.all, { number, parent, at, tokens, state: "running", reason: null }];
    this.number = number;
  }

  async #goOn(sampling: Sampling, signal: AbortSignal): Promise<void> {
    const number = this.number;
    const ids = this.all[number]!.tokens.map((token) => token.token_id);
    for await (const event of continued(this.#model, [...this.#prompt, ...ids], sampling, signal)) {
      if (event.type === "tokens") {
        this.#change({ tokens: [...this.all[number]!.tokens, ...event.tokens] }, number);
      } else {
        this.#change({ state: "finished", reason: event.reason }, number);
      }
    }
  }

  #change(change: Partial<Branch>, number = this.number): void {
    this.all = this.all.map((branch) => (branch.number === number ? { ...branch, ...change } : branch));
  }
}
