/**
 * What a person writes in one conversation, and what waits there to be sent: kept in this browser over reloads.
 *
 * What waits is sent by one window: the one that shows the conversation longest.
 */
import { untrack } from "svelte";
import { connection } from "../offline/connection.svelte";
import type { Conversation } from "./conversation.svelte";
import type { Shelf } from "./documents/shelf.svelte";
import { inOneWindow, NEW, type Drafts } from "./drafts";
import type { Queued } from "./queue.svelte";

export class Writing {
  text = $state("");
  readonly #drafts: Drafts;
  readonly #conversation: Conversation;
  readonly #shelf: Shelf;
  /** Whether what waits is this window's, and not that of another which shows the conversation too. */
  #mine = false;
  /** Whether the shelf has all that was kept of it. Before, nothing is kept of it: that would forget what was. */
  #resumed = $state(false);
  /** Ends when the page goes on to another conversation, or this one gets its address. */
  #place = new AbortController();

  constructor(drafts: Drafts, conversation: Conversation, shelf: Shelf) {
    this.#drafts = drafts;
    this.#conversation = conversation;
    this.#shelf = shelf;
    const { text, project } = drafts.get(this.#key);
    this.text = text;
    if (project !== undefined) conversation.projectId = project;
  }

  get #key(): string {
    return this.#conversation.id ?? NEW;
  }

  /** Goes on with what waited when the page was left, once it is this window's; `then` with the messages of it. */
  resume(then: (waiting: readonly Queued[]) => void): void {
    this.#takePlace(() => void this.#resume(then));
  }

  async #resume(then: (waiting: readonly Queued[]) => void): Promise<void> {
    const { queue, documents } = this.#drafts.get(this.#key);
    this.#conversation.restoreQueue(queue);
    then(this.#conversation.queue);
    if (documents !== undefined) await this.#shelf.resume(documents, this.#conversation.id !== null);
    this.#resumed = true;
  }

  /** The new conversation has its address: what was written in it is kept there. */
  moveIn(): void {
    const rest = this.#mine ? { queue: [] } : this.#drafts.get(NEW);
    this.#drafts.set(NEW, { ...rest, text: "", project: undefined });
    this.#takePlace(() => {
      this.#resumed = true;
      this.keep();
    });
  }

  #takePlace(act: () => void): void {
    this.#leavePlace();
    this.#place = new AbortController();
    inOneWindow(this.#key, this.#place.signal, () => {
      this.#mine = true;
      act();
    });
  }

  #leavePlace(): void {
    this.#place.abort();
    this.#mine = false;
  }

  /** What was asked and never reached the server is kept like what was not sent. */
  keep(text = this.text): void {
    if (this.#conversation.temporary) return;
    const { id, projectId } = this.#conversation;
    const project = id === null && projectId !== null ? projectId : undefined;
    const stored = this.#drafts.get(this.#key);
    const queue = this.#conversation.queue.map(({ text }) => text);
    if (this.#mine) {
      const documents = this.#resumed ? this.#shelf.kept : stored.documents;
      this.#drafts.set(this.#key, { text, queue, documents, project });
    } else {
      const all = [...queue, text].filter((one) => one !== "").join("\n\n");
      this.#drafts.set(this.#key, { ...stored, text: all, project });
    }
  }

  /** As an effect: keeps it again whenever it changes. */
  keepChanges(): void {
    void [this.text, this.#resumed && this.#shelf.kept, this.#conversation.projectId];
    untrack(() => this.keep());
  }

  /** The message that was written without a connection, once there is one. */
  takeWaiting(): Queued | null {
    const [next] = this.#conversation.queue;
    return next !== undefined && connection.takeWaiting(this.#key) ? next : null;
  }

  /** Keeps the message to be sent when there is a connection. */
  awaitConnection(text: string): void {
    this.#conversation.restoreQueue([text]);
    connection.waitsIn = this.#key;
    this.keep();
  }

  /** The page goes on to another conversation. */
  leave(): void {
    this.keep();
    this.#leavePlace();
  }
}
