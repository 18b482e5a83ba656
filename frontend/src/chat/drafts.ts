/**
 * What a person has typed and not sent, for each conversation, kept in this browser over reloads.
 *
 * It belongs to one person: signing out erases it, and another person's is never shown.
 */
import type { KeptDocuments } from "./documents/shelf.svelte";

const STORAGE_KEY = "aquilon.drafts";
const MOST = 50;
const LONGEST = 100_000;

export interface Draft {
  text: string;
  /** Messages that wait for the end of an answer, or for documents. */
  queue: string[];
  /** The documents that they wait for, and those of a conversation that has not begun; left out for none. */
  documents?: KeptDocuments | undefined;
  /** The project in which a conversation that has not begun will be; left out for none. */
  project?: string | undefined;
}

/** The key of a conversation that has not begun. */
export const NEW = "new";
const EMPTY: Draft = { text: "", queue: [] };

/**
 * Runs `act` in one window at a time for each conversation: in another once the former has left it, as `signal` says.
 * What waits is thus sent by one window. Where a browser has no locks, all windows act.
 */
export function inOneWindow(conversation: string, signal: AbortSignal, act: () => void): void {
  const locks = navigator.locks as LockManager | undefined; // none without HTTPS
  if (locks === undefined) return act();
  const left = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  const run = () => {
    act();
    return left;
  };
  void locks.request(`aquilon.draft ${conversation}`, { signal }, run).catch(() => undefined); // it was left before
}

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Drafts {
  #person: string;
  #store: Store;

  constructor(person: string, store: Store = localStorage) {
    this.#person = person;
    this.#store = store;
  }

  get(conversation: string): Draft {
    return this.#read().get(conversation) ?? EMPTY;
  }

  /** Keeps a draft; an empty one is forgotten, and so is the oldest of too many. */
  set(conversation: string, draft: Draft): void {
    const drafts = this.#read();
    const known = drafts.delete(conversation);
    const { queue, documents, project } = draft;
    const kept: Draft = { text: draft.text.slice(0, LONGEST), queue };
    if (documents !== undefined) kept.documents = documents;
    if (project !== undefined) kept.project = project;
    if (kept.text !== "" || queue.length > 0 || "documents" in kept || "project" in kept)
      drafts.set(conversation, kept);
    else if (!known) return;
    this.#write(new Map([...drafts].slice(-MOST)));
  }

  #read(): Map<string, Draft> {
    try {
      const stored = JSON.parse(this.#store.getItem(STORAGE_KEY) ?? "null") as Stored | null;
      if (stored?.person !== this.#person || !Array.isArray(stored.drafts)) return new Map();
      return new Map(stored.drafts.filter(([, draft]) => typeof draft.text === "string" && Array.isArray(draft.queue)));
    } catch {
      return new Map(); // nothing that can be read
    }
  }

  #write(drafts: Map<string, Draft>): void {
    try {
      if (drafts.size === 0) this.#store.removeItem(STORAGE_KEY);
      else this.#store.setItem(STORAGE_KEY, JSON.stringify({ person: this.#person, drafts: [...drafts] }));
    } catch {
      // Storage may be forbidden or full: the draft then lasts as long as the page.
    }
  }
}

interface Stored {
  person: string;
  drafts: [string, Draft][];
}

/** Who was signed in here last, for a page that can't ask the server. */
const PERSON_KEY = "aquilon.person";

export function lastPerson(): string | null {
  try {
    return localStorage.getItem(PERSON_KEY);
  } catch {
    return null;
  }
}

export function rememberPerson(id: string): void {
  try {
    localStorage.setItem(PERSON_KEY, id);
  } catch {
    // Where storage is forbidden, there are no drafts either.
  }
}

/** Forgets all drafts, whoever wrote them. */
export function eraseDrafts(): void {
  try {
    localStorage.removeItem(STORAGE_KEY);
    localStorage.removeItem(PERSON_KEY);
  } catch {
    // There is nothing to erase where storage is forbidden.
  }
}
