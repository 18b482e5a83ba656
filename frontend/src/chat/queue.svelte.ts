/** The messages of a conversation that wait for the end of an answer, for documents, or for a connection. */
export interface Queued {
  key: number;
  text: string;
}

export class Queue {
  messages = $state.raw<readonly Queued[]>([]);
  readonly #onChange: () => void;
  #nextKey = 1;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  add(text: string): void {
    this.messages = [...this.messages, this.#queued(text)];
    this.#onChange();
  }

  remove(queued: Queued): void {
    this.messages = this.messages.filter((one) => one !== queued);
    this.#onChange();
  }

  takeFirst(): Queued | null {
    const [first = null] = this.messages;
    if (first !== null) this.remove(first);
    return first;
  }

  /** Puts a message before all others. */
  prefer(queued: Queued): void {
    this.messages = [queued, ...this.messages.filter((one) => one !== queued)];
  }

  /** Puts what was kept elsewhere before all others. */
  restore(texts: readonly string[]): void {
    this.messages = [...texts.map((text) => this.#queued(text)), ...this.messages];
  }

  #queued(text: string): Queued {
    return { key: this.#nextKey++, text };
  }
}
