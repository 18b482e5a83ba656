/** What a step of the tour runs: one request at a time, with what went wrong. */
import type { Problem } from "../../api/problem";
import { problemFrom } from "../lib/problem";

export class Experiment {
  running = $state(false);
  problem = $state.raw<Problem | null>(null);
  #controller: AbortController | null = null;

  async run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.end();
    const controller = (this.#controller = new AbortController());
    this.running = true;
    this.problem = null;
    try {
      await work(controller.signal);
    } catch (error) {
      if (controller === this.#controller) this.problem = problemFrom(error);
    } finally {
      if (controller === this.#controller) this.running = false;
    }
  }

  end(): void {
    this.#controller?.abort();
  }
}
