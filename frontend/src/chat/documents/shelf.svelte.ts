/**
 * The documents that the answers of one conversation, or of one project, use: a library of its own, made with the first
 * document, and other libraries that are attached. Which they are stands in the conversation's metadata, as
 * `vector_store_ids`, or in the project's field of that name.
 */
import { Problem, said } from "../../api/problem";
import {
  changeLibrary,
  createLibrary,
  filesOf,
  OF_A_CONVERSATION,
  readLibrary,
  removeFile,
  uploadInto,
  type VectorStoreBody,
  type VectorStoreFileBody,
} from "../../api/libraries";
import { changeConversation, type ConversationBody } from "../../api/conversations";

const MEMBER = "vector_store_ids";
const POLL_MS = 700;
/** A library that no conversation got is deleted after so long. */
const UNUSED_DAYS = 1;

export interface ShelfFile {
  key: number;
  name: string;
  /** null until the server has it. */
  id: string | null;
  status: "sending" | "reading" | "ready" | "failed";
  /** 0 to 1. */
  progress: number;
  /** Why it can't be read, as the server's code; null where `problem` says it. */
  reason: string | null;
  problem: string | null;
  /** What a reader should know of its text, such as that parts are left out. */
  notes: readonly string[];
}

export interface AttachedLibrary {
  id: string;
  name: string;
}

/** What of a conversation's documents the server can't tell after a reload. */
export interface KeptDocuments {
  /** Of a conversation that has not begun: the library of its own, null for none, and the others. */
  own: string | null;
  attached: string[];
  /** The documents that a question waits for. Those that the server didn't have yet have no id. */
  awaited: { id: string | null; name: string }[];
}

/** Whose documents they are. */
export interface ShelfOwner {
  /** The member of a library's metadata that says what it was made for. */
  member: "conversation_id" | "project_id";
  libraryName: () => string;
  /** Keeps which libraries it has. */
  save: (id: string, shelf: Shelf) => Promise<unknown>;
}

const OF_CONVERSATION: ShelfOwner = {
  member: "conversation_id",
  libraryName: () => OF_A_CONVERSATION,
  save: (id, shelf) => changeConversation(id, { metadata: shelf.metadata }),
};

const isOnItsWay = ({ status }: ShelfFile) => status === "sending" || status === "reading";

export class Shelf {
  files = $state.raw<readonly ShelfFile[]>([]);
  attached = $state.raw<readonly AttachedLibrary[]>([]);
  /** The long text that was pasted last, and its document's key: it may still go into the question instead. */
  pasted = $state.raw<{ key: number; text: string } | null>(null);
  /** What the last change failed with. */
  problem = $state<string | null>(null);
  #own = $state<string | null>(null);
  /** The documents that a question waits for. */
  #awaited = $state.raw<ReadonlySet<number>>(new Set());
  /** Whether a question waits for documents of which the server has not told yet. */
  #resuming = $state(false);
  /** Done when the server has told which documents the conversation has. */
  readonly #known = Promise.withResolvers<void>();
  #making: Promise<string> | null = null;
  #ownerId: string | null = null;
  #metadata: Record<string, string> = {};
  #shared = false;
  #nextKey = 1;
  #polling: ReturnType<typeof setTimeout> | undefined;
  #left = new AbortController();
  /** What ends the sending of a file, by its key. */
  #sending = new Map<number, AbortController>();
  readonly #owner: ShelfOwner;

  constructor(owner: ShelfOwner = OF_CONVERSATION) {
    this.#owner = owner;
  }

  /** Whether a document is on its way or being read. */
  get busy(): boolean {
    return this.#resuming || this.files.some(isOnItsWay);
  }

  /** What keeps a question from being sent: documents that are being read, or the one that could not be. */
  get obstacle(): "reading" | ShelfFile | null {
    const awaited = this.files.filter(({ key }) => this.#awaited.has(key));
    if (this.#resuming || awaited.some(isOnItsWay)) return "reading";
    return awaited.find(({ status }) => status === "failed") ?? null;
  }

  /** A question waits for the documents that are on their way now. */
  awaitAll(): void {
    this.#awaited = new Set(this.files.filter(isOnItsWay).map(({ key }) => key));
  }

  /** No question waits any more. */
  awaitNone(): void {
    this.#awaited = new Set();
  }

  /** What a reload needs to go on from here; undefined for nothing. */
  get kept(): KeptDocuments | undefined {
    const begun = this.#ownerId !== null;
    const [own, attached] = begun ? [null, []] : [this.#own, this.attached.map(({ id }) => id)];
    const awaited = this.files.filter(({ key }) => this.#awaited.has(key)).map(({ id, name }) => ({ id, name }));
    return own === null && attached.length + awaited.length === 0 ? undefined : { own, attached, awaited };
  }

  /** Goes on from what was kept; of a conversation that has begun once it has been read. */
  async resume({ own, attached, awaited }: KeptDocuments, begun: boolean): Promise<void> {
    this.#resuming = awaited.length > 0;
    if (begun) await this.#known.promise;
    if (own !== null) await this.#find(own, () => this.#takeOwn(own));
    for (const id of attached) await this.#find(id, ({ name }) => this.#attachKnown({ id, name }));
    this.#awaited = new Set(awaited.map((one) => this.#awaitedKey(one)));
    this.#resuming = false;
  }

  /** The document that was awaited; one that never arrived, or is gone, has failed. */
  #awaitedKey({ id, name }: { id: string | null; name: string }): number {
    const known = this.files.find((file) => (id === null ? file.name === name : file.id === id));
    if (known !== undefined) return known.key;
    const key = this.#nextKey++;
    this.files = [
      ...this.files,
      { key, name, id: null, status: "failed", progress: 0, reason: "lost", notes: [], problem: null },
    ];
    return key;
  }

  get isEmpty(): boolean {
    return this.files.length === 0 && this.attached.length === 0;
  }

  /** The libraries that a question is searched in. */
  get ids(): string[] {
    const own = this.#own !== null && this.files.some(({ status }) => status === "ready") ? [this.#own] : [];
    return [...own, ...this.attached.map(({ id }) => id)];
  }

  /** All libraries, also an own one in which nothing is read yet. */
  get all(): string[] {
    return [...(this.#own === null ? [] : [this.#own]), ...this.attached.map(({ id }) => id)];
  }

  /** What a new conversation is given. */
  get metadata(): Record<string, string> {
    const all = this.all;
    const rest = Object.fromEntries(Object.entries(this.#metadata).filter(([name]) => name !== MEMBER));
    return all.length === 0 ? rest : { ...rest, [MEMBER]: all.join(" ") };
  }

  /** Learns which documents a conversation has. Libraries that are gone are left out. */
  async read(conversation: ConversationBody): Promise<void> {
    this.#metadata = conversation.metadata as Record<string, string>;
    const named = (this.#metadata[MEMBER] ?? "").split(" ").filter((one) => one !== "");
    await this.open(conversation, named);
    this.#known.resolve();
  }

  /** Learns which libraries a conversation or a project has. */
  async open(owner: { id: string; visibility: string }, libraryIds: readonly string[]): Promise<void> {
    this.#ownerId = owner.id;
    this.#shared = owner.visibility === "workspace";
    for (const id of libraryIds) {
      await this.#find(id, ({ metadata, name }) =>
        metadata[this.#owner.member] === owner.id ? this.#takeOwn(id) : this.#attachKnown({ id, name }),
      );
    }
  }

  async #find(id: string, take: (library: VectorStoreBody) => unknown): Promise<void> {
    try {
      await take(await readLibrary(id));
    } catch (error) {
      if (!(error instanceof Problem) || error.kind !== "model") this.problem = said(error);
    }
  }

  /** Asks anew which libraries there are: the next question is searched in those alone. */
  async leaveOutGone(): Promise<void> {
    const before = this.attached;
    this.attached = [];
    await Promise.all(before.map(({ id }) => this.#find(id, ({ name }) => this.#attachKnown({ id, name }))));
  }

  #takeOwn(id: string): Promise<void> {
    this.#own = id;
    return this.#poll();
  }

  #attachKnown(library: AttachedLibrary): void {
    if (!this.attached.some(({ id }) => id === library.id)) this.attached = [...this.attached, library];
  }

  /** The new conversation or project has its id: the library is bound to it. */
  async bind(ownerId: string): Promise<void> {
    this.#ownerId = ownerId;
    if (this.#own === null) return;
    const metadata = { [this.#owner.member]: ownerId };
    await this.#attempt(() => changeLibrary(this.#own!, { metadata, expires_after: null }));
  }

  async add(files: readonly File[]): Promise<void> {
    this.problem = null;
    await Promise.all(files.map((file) => this.#add(file)));
  }

  /** Makes a document with this title of a text. */
  paste(text: string, title: string): void {
    const before = this.files.filter(({ name }) => name.startsWith(title)).length;
    this.pasted = { key: this.#nextKey, text };
    void this.add([new File([text], `${title}${before === 0 ? "" : ` ${before + 1}`}.txt`, { type: "text/plain" })]);
  }

  /** The text that was pasted last, which is no document any more. */
  takePasted(): string {
    const { key, text } = this.pasted!;
    void this.remove(this.files.find((file) => file.key === key)!);
    return text;
  }

  async #add(file: File): Promise<void> {
    const key = this.#nextKey++;
    const one: ShelfFile = {
      key,
      name: file.name,
      id: null,
      status: "sending",
      progress: 0,
      reason: null,
      problem: null,
      notes: [],
    };
    this.files = [...this.files, one];
    const removed = new AbortController();
    this.#sending.set(key, removed);
    try {
      const library = await (this.#making ??= this.#library());
      const onProgress = (progress: number) => this.#change(key, { progress });
      const signal = AbortSignal.any([this.#left.signal, removed.signal]);
      const id = await uploadInto(library, file, { signal, onProgress });
      if (!this.files.some((other) => other.key === key)) await removeFile(library, id);
      else this.#change(key, { id, status: "reading", progress: 0 });
      await this.#poll();
    } catch (error) {
      if (this.#left.signal.aborted || removed.signal.aborted) return;
      if (this.#own === null) this.#making = null;
      this.#change(key, { status: "failed", problem: said(error) });
    } finally {
      this.#sending.delete(key);
    }
  }

  /** The own library; made with its first document. */
  async #library(): Promise<string> {
    if (this.#own !== null) return this.#own;
    const bound = this.#ownerId;
    const { id } = await createLibrary({
      name: this.#owner.libraryName(),
      visibility: this.#shared ? "workspace" : "user",
      ...(bound === null
        ? { expires_after: { anchor: "last_active_at", days: UNUSED_DAYS } }
        : { metadata: { [this.#owner.member]: bound } }),
    });
    this.#own = id;
    if (bound !== null) await this.#save();
    else if (this.#ownerId !== null) await this.bind(this.#ownerId).then(() => this.#save());
    return id;
  }

  async remove(file: ShelfFile): Promise<void> {
    if (file.key === this.pasted?.key) this.pasted = null;
    this.files = this.files.filter(({ key }) => key !== file.key);
    if (file.progress < 1) this.#sending.get(file.key)?.abort(); // else the server has it, and is told
    const [own, id] = [this.#own, file.id];
    if (own !== null && id !== null) await this.#attempt(() => removeFile(own, id));
  }

  async attach(library: AttachedLibrary): Promise<void> {
    if (this.attached.some(({ id }) => id === library.id)) return;
    this.#attachKnown(library);
    await this.#save();
  }

  async detach(library: AttachedLibrary): Promise<void> {
    this.attached = this.attached.filter(({ id }) => id !== library.id);
    await this.#save();
  }

  /** Whoever sees the conversation can open its passages. */
  async share(visibility: "user" | "workspace"): Promise<void> {
    this.#shared = visibility === "workspace";
    const own = this.#own;
    if (own !== null) await this.#attempt(() => changeLibrary(own, { visibility }));
  }

  /** Follows nothing any more; the server goes on reading. */
  leave(): void {
    clearTimeout(this.#polling);
    this.#left.abort();
  }

  async #save(): Promise<void> {
    const id = this.#ownerId;
    if (id !== null) await this.#attempt(() => this.#owner.save(id, this));
  }

  async #attempt(change: () => Promise<unknown>): Promise<void> {
    try {
      await change();
    } catch (error) {
      this.problem = said(error);
    }
  }

  #change(key: number, change: Partial<ShelfFile>): void {
    this.files = this.files.map((file) => (file.key === key ? { ...file, ...change } : file));
  }

  /** Asks how far the documents are read, until all are. */
  async #poll(): Promise<void> {
    clearTimeout(this.#polling);
    const own = this.#own;
    if (own === null || this.#left.signal.aborted) return;
    try {
      const asked = new Set(this.files.filter(({ status }) => status === "reading").map(({ id }) => id));
      const stored = await filesOf(own);
      for (const file of [...stored].reverse()) this.#learn(file);
      const there = new Set(stored.map(({ id }) => id));
      this.files = this.files.filter(({ id }) => !asked.has(id) || there.has(id!)); // others were removed elsewhere
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // the next time will tell
    }
    clearTimeout(this.#polling);
    const reads = this.files.some(({ status }) => status === "reading");
    if (reads && !this.#left.signal.aborted) this.#polling = setTimeout(() => void this.#poll(), POLL_MS);
  }

  #learn(stored: VectorStoreFileBody): void {
    const known = this.files.find(({ id }) => id === stored.id);
    const status =
      stored.status === "completed" ? "ready" : stored.status === "in_progress" ? "reading" : ("failed" as const);
    const { progress, notes } = stored;
    const change = { status, progress, notes, reason: stored.last_error?.reason ?? null } as const;
    if (known !== undefined) this.#change(known.key, change);
    else if (!this.files.some(({ id, name }) => id === null && name === stored.filename)) {
      const key = this.#nextKey++;
      this.files = [...this.files, { key, name: stored.filename, id: stored.id, problem: null, ...change }];
    }
  }
}
