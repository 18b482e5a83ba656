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
  /** Whether the value is a part of what is there: the rest has not come. */
  partial = $state(false);
  problem = $state.raw<Problem | null>(null);
  /** What is being done to it. */
  readonly changing = new Task();
  #load: (show: (part: T) => void) => Promise<T>;
  #readings = 0;

  /** `load` may show parts on its way. */
  constructor(load: (show: (part: T) => void) => Promise<T>) {
    this.#load = load;
  }

  /** Reads it (again); what was there stays on the page until then. */
  readonly reload = (): Promise<void> => {
    const first = this.value === null;
    return this.#read((show) => this.#load((part) => first && show(part)));
  };

  /** Reads again what can have changed of it. */
  readonly refresh = async (load: (value: T) => Promise<T>): Promise<void> => {
    const { value } = this;
    if (value !== null && !this.partial) await this.#read(() => load(value));
  };

  async #read(load: (show: (part: T) => void) => Promise<T>): Promise<void> {
    const reading = ++this.#readings;
    const show = (value: T, partial: boolean): void => {
      if (reading !== this.#readings) return;
      [this.value, this.partial, this.problem] = [value, partial, null];
    };
    try {
      show(await load((part) => show(part, true)), false);
    } catch (error) {
      if (reading === this.#readings) this.problem = problemFrom(error);
    }
  }

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
