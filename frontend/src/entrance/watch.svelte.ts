/** Watches for the server to come back, every few seconds, for as long as someone needs to know. */
import { isReady } from "../api/server";

const FIRST_MS = 1000;
const LONGEST_MS = 8000;

export class ReadyWatch {
  /** null while nobody watches; else whether the server can answer. */
  ready = $state<boolean | null>(null);
  checking = $state(false);
  #timer: ReturnType<typeof setTimeout> | null = null;
  #delay = FIRST_MS;

  /** Starts to look, unless it does already. */
  start(): void {
    if (this.ready === false) return;
    this.ready = false;
    this.#delay = FIRST_MS;
    this.#later();
  }

  stop(): void {
    this.#cancel();
    this.ready = null;
  }

  async checkNow(): Promise<void> {
    if (this.checking || this.ready === null) return;
    this.#cancel();
    this.checking = true;
    const ready = await isReady();
    this.checking = false;
    if (this.ready === null) return; // stopped meanwhile
    this.ready = ready;
    if (!ready) this.#later();
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.checkNow(), this.#delay);
    this.#delay = Math.min(LONGEST_MS, this.#delay * 1.6);
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
