/** Runs the last of several calls that come soon after one another, and ends what an earlier one still waits for. */
export class Later {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #controller: AbortController | undefined;

  constructor(readonly milliseconds = 200) {}

  run(work: (signal: AbortSignal) => Promise<void>): void {
    this.end();
    this.#timer = setTimeout(() => {
      this.#controller = new AbortController();
      void work(this.#controller.signal);
    }, this.milliseconds);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#controller?.abort();
  }
}
