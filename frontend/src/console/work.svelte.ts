/** What a page waits for: something to show, or something to be done. */
import { Problem } from "../api/problem";

function problemFrom(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem("invalid", String(error));
}

/** Something that a person asks for, once at a time. */
export class Task {
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);

  /** What the work gave, or null where it failed: then `problem` says why. */
  async run<T>(work: () => Promise<T>): Promise<T | null> {
    if (this.busy) return null;
    this.busy = true;
    this.problem = null;
    try {
      return await work();
    } catch (error) {
      this.problem = problemFrom(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}

/** Something that is read from the server and shown; the newest reading wins. */
export class Loaded<T> {
  value = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** What is being done to it. */
  readonly changing = new Task();
  #load: () => Promise<T>;
  #readings = 0;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  /** Reads it (again); what was there stays on the page until then. */
  readonly reload = async (): Promise<void> => {
    const reading = ++this.#readings;
    try {
      const value = await this.#load();
      if (reading !== this.#readings) return;
      this.value = value;
      this.problem = null;
    } catch (error) {
      if (reading === this.#readings) this.problem = problemFrom(error);
    }
  };

  /** Does something to it and reads it again; gives what the work gave, or null where `changing.problem` says why. */
  async change<R>(work: () => Promise<R>): Promise<R | null> {
    const done = await this.changing.run(work);
    await this.reload();
    return done;
  }
}

/** Reads again every so often while it is worth it; gives what ends it. */
export function watching(reload: () => Promise<void>, worthIt: () => boolean, milliseconds = 1000): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  const again = async (): Promise<void> => {
    if (worthIt() && document.visibilityState === "visible") await reload();
    if (!over) timer = setTimeout(() => void again(), milliseconds);
  };
  timer = setTimeout(() => void again(), milliseconds);
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
