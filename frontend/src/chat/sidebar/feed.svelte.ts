/** A list of conversations, the latest change first, of which pages are loaded as they are wanted. */
import { Problem } from "../../api/problem";
import { conversations, type Chosen, type ConversationBody } from "./store";

export class Feed {
  readonly chosen: Chosen;
  entries = $state.raw<readonly ConversationBody[]>([]);
  /** Whether the server has more. */
  more = $state(true);
  loaded = $state(false);
  problem = $state<Problem | null>(null);
  #busy: Promise<void> | null = null;
  /** For each page that is on its way, what was changed since it was asked for. */
  readonly #meanwhile = new Set<ConversationBody[]>();

  constructor(chosen: Chosen) {
    this.chosen = chosen;
  }

  /** Whether it was asked for, be it in vain. */
  get wanted(): boolean {
    return this.loaded || this.problem !== null || this.#busy !== null;
  }

  /** Loads the next page, unless one is on its way. */
  next(): Promise<void> {
    this.#busy ??= this.#next().finally(() => (this.#busy = null));
    return this.#busy;
  }

  async #next(): Promise<void> {
    if (!this.more) return;
    await this.#load(this.entries.at(-1)?.id ?? null, (page) => [...this.entries, ...page]);
  }

  /** Asks for the first page again; what is loaded below it stays. */
  async refresh(): Promise<void> {
    await this.#busy;
    const entire = !this.more || !this.loaded;
    await this.#load(null, (page, hasMore) => {
      const last = page.at(-1);
      if (!hasMore || last === undefined) return page;
      const below = this.entries.filter((entry) => follows(last, entry));
      if (below.length === 0) return page;
      if (entire)
        this.more = false; // what is below was loaded to its end before
      else this.more = true;
      return [...page, ...below];
    });
  }

  async #load(
    after: string | null,
    merged: (page: ConversationBody[], hasMore: boolean) => readonly ConversationBody[],
  ): Promise<void> {
    const meanwhile: ConversationBody[] = [];
    this.#meanwhile.add(meanwhile);
    try {
      const page = await conversations(this.chosen, after);
      this.more = page.has_more;
      const entries = merged([...page.data], page.has_more);
      this.entries = [...new Map(entries.map((entry) => [entry.id, entry])).values()];
      this.problem = null;
      this.loaded = true;
      for (const entry of meanwhile) this.#put(entry); // the page may be from before that
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    } finally {
      this.#meanwhile.delete(meanwhile);
    }
  }

  /** Puts a changed conversation where it belongs, or takes it out. */
  place(entry: ConversationBody): void {
    for (const changes of this.#meanwhile) changes.push(entry);
    if (this.loaded) this.#put(entry);
  }

  #put(entry: ConversationBody): void {
    const others = this.entries.filter((one) => one.id !== entry.id);
    if (!this.accepts(entry)) {
      if (others.length !== this.entries.length) this.entries = others;
      return;
    }
    const position = others.findIndex((one) => follows(entry, one));
    if (position < 0 && this.more)
      this.entries = others; // it will come with a later page
    else this.entries = position < 0 ? [...others, entry] : others.toSpliced(position, 0, entry);
  }

  remove(id: string): void {
    this.entries = this.entries.filter((entry) => entry.id !== id);
  }

  accepts(entry: ConversationBody): boolean {
    const { pinned, archived, project_id } = this.chosen;
    return (
      (pinned === undefined || pinned === entry.pinned) &&
      (archived === undefined || archived === entry.archived) &&
      (project_id === undefined || project_id === (entry.project_id ?? "none"))
    );
  }
}

/** Whether `other` stands below `entry`. */
function follows(entry: ConversationBody, other: ConversationBody): boolean {
  if (other.updated_at !== entry.updated_at) return other.updated_at < entry.updated_at;
  return other.id < entry.id;
}
