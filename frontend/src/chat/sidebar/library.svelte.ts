/** All that the side list shows of the server's conversations and projects, and what changes them. */
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { Problem } from "../../api/problem";
import { conversationsChanged } from "./changes";
import { Feed } from "./feed.svelte";
import * as store from "./store";
import type { ConversationBody, ConversationChange, ProjectBody } from "./store";

export const UNDO_MS = 7000;

export class Library {
  readonly pinned = new Feed({ pinned: true, archived: false });
  readonly recent = new Feed({ pinned: false, archived: false, project_id: "none" });
  readonly archived = new Feed({ archived: true });
  /** By project, once it was opened. */
  readonly inProject = new SvelteMap<string, Feed>();
  projects = $state.raw<readonly ProjectBody[]>([]);
  /** The last conversation that was deleted: it can be brought back for a while. */
  deleted = $state.raw<ConversationBody | null>(null);
  /** What the last change failed with. */
  /** Why a change failed. */
  problem = $state<Problem | null>(null);
  /** Why the list is not as the server has it. */
  unread = $state<Problem | null>(null);
  /** Those that the list doesn't show although the server still has them. */
  readonly #hidden = new SvelteSet<string>();
  /** How many changes have begun or ended. */
  #changes = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  get feeds(): Feed[] {
    return [this.pinned, this.recent, this.archived, ...this.inProject.values()];
  }

  async load(): Promise<void> {
    await Promise.all([this.pinned.next(), this.recent.next(), this.#loadProjects()]);
  }

  async refresh(): Promise<void> {
    const changes = this.#changes;
    await this.#refresh();
    if (changes !== this.#changes) await this.refresh(); // what came may be from before a change
  }

  async #refresh(): Promise<void> {
    await Promise.all([
      ...this.feeds.filter((feed) => feed.wanted).map((feed) => feed.refresh()),
      this.#loadProjects(),
    ]);
  }

  async #loadProjects(): Promise<void> {
    try {
      this.projects = await store.projects();
      this.unread = null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.unread = error;
    }
  }

  /** The conversations of a project, loaded from now on. */
  open(projectId: string): Feed {
    const known = this.inProject.get(projectId);
    if (known !== undefined) return known;
    const feed = new Feed({ archived: false, pinned: false, project_id: projectId });
    this.inProject.set(projectId, feed);
    void feed.next();
    return feed;
  }

  shown(feed: Feed): readonly ConversationBody[] {
    return this.#hidden.size === 0 ? feed.entries : feed.entries.filter((entry) => !this.#hidden.has(entry.id));
  }

  /** Shows the change at once, and takes it back where the server refuses it. */
  async change(entry: ConversationBody, change: ConversationChange): Promise<void> {
    this.#place({ ...entry, ...change });
    await this.attempt(
      async () => {
        this.#place(await store.changeConversation(entry.id, change));
        conversationsChanged(this);
      },
      () => this.#place(entry),
    );
  }

  #place(entry: ConversationBody): void {
    for (const feed of this.feeds) feed.place(entry);
  }

  /** Takes it off the list now, and deletes it when the time to bring it back is over. */
  delete(entry: ConversationBody): void {
    this.finishDeletion();
    this.#hidden.add(entry.id);
    this.deleted = entry;
    this.#deadline = setTimeout(() => this.finishDeletion(), UNDO_MS);
  }

  undoDeletion(): void {
    clearTimeout(this.#deadline);
    if (this.deleted !== null) this.#hidden.delete(this.deleted.id);
    this.deleted = null;
  }

  /** `leaving`: the page is being left. */
  finishDeletion({ leaving = false } = {}): void {
    clearTimeout(this.#deadline);
    const entry = this.deleted;
    if (entry === null) return;
    this.deleted = null;
    void this.attempt(
      async () => {
        await store.deleteConversation(entry.id, { leaving });
        for (const feed of this.feeds) feed.remove(entry.id);
        this.#hidden.delete(entry.id);
        conversationsChanged(this);
      },
      () => this.#hidden.delete(entry.id),
    );
  }

  /** Does something at the server; where that fails, keeps the problem and takes back what was shown. */
  async attempt(change: () => Promise<void>, takeBack: () => void = () => undefined): Promise<void> {
    this.#changes += 1;
    try {
      await change();
      this.problem = null;
    } catch (error) {
      takeBack();
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    } finally {
      this.#changes += 1;
    }
  }
}
