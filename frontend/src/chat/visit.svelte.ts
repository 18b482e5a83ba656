/** The page's stay at one conversation: its documents, what is written in it, and what is asked there. */
import { untrack } from "svelte";
import type { ModelCard } from "../api/types";
import type { Session } from "../entrance/session.svelte";
import { connection } from "../offline/connection.svelte";
import { o } from "../offline/texts";
import { preferences } from "../preferences.svelte";
import { address } from "./address.svelte";
import type { Agent } from "./assistants/agents";
import type { Answer } from "./answer.svelte";
import { Conversation } from "./conversation.svelte";
import { Shelf } from "./documents/shelf.svelte";
import type { Drafts } from "./drafts";
import { Judgements } from "./feedback/feedback.svelte";
import type { Queued } from "./queue.svelte";
import { followConversation } from "./share/follow";
import { conversationsChanged } from "./sidebar/changes";
import { c } from "./texts";
import type { Reached, Turn } from "./turn.svelte";
import { Writing } from "./writing.svelte";

/** The page around its visits. */
export interface Page {
  session: Session;
  drafts: Drafts;
  announce: (text: string) => void;
  /** Told when an answer begins that was asked for here. */
  onBegin: () => void;
  /** Told when a message waits below the last answer. */
  onWaiting: () => void;
  /** Told of each answer once, when nothing more will come of it. */
  onEnd: (answer: Answer, conversation: Conversation) => void;
}

export class Visit {
  readonly conversation: Conversation;
  readonly shelf = new Shelf();
  readonly writing: Writing;
  /** What the person thinks of the answers. */
  readonly judgements = new Judgements();
  /** The assistant that the empty conversation is with. */
  assistant = $state.raw<Agent | null>(null);
  /** The turn whose question is being changed. */
  editing = $state<number | null>(null);
  /** What was searched for. */
  reached = $state.raw<Reached | null>(null);
  readonly #page: Page;
  /** The model that was chosen here, or wrote the last answer when the conversation was opened; null for neither. */
  #model = $state<string | null>(null);
  #left = false;
  /** Whether a question waits for documents that are being read. */
  #awaitsDocuments = false;

  constructor(page: Page, id: string | null) {
    const { session, drafts } = page;
    const { shelf } = this;
    this.#page = page;
    this.conversation = new Conversation(
      {
        settled: () => session.settled,
        model: () => this.model?.id ?? null,
        instructions: () => session.me?.instructions ?? "",
        libraries: () => shelf.ids,
        metadata: () => shelf.metadata,
        holds: () => shelf.obstacle !== null,
        onRead: (body) => void shelf.read(body),
        onBegun: (id) => this.#moveIn(id),
        onEnd: (answer) => this.#onEnd(answer),
        onNamed: () => conversationsChanged(),
        onBack: () => page.announce(c("talk.back")),
        onQueue: () => this.writing.keep(),
      },
      id,
    );
    this.writing = new Writing(drafts, this.conversation, shelf);
  }

  /** The model that answers next: the conversation's own while it is there, else the one of new conversations. */
  get model(): ModelCard | null {
    const { models, model } = this.#page.session;
    return models.find(({ id }) => id === this.#model) ?? model;
  }

  /** For the conversation, and for new ones. */
  chooseModel(id: string): void {
    this.#model = id;
    preferences.chooseModel(id);
  }

  async open(): Promise<void> {
    await this.conversation.open();
    this.#model ??= this.conversation.last?.answer?.model ?? null;
  }

  /** The page goes on to another conversation; only one that is kept nowhere goes on being answered here. */
  leave(): void {
    this.#left = true;
    this.writing.leave();
    this.shelf.leave();
    if (!this.conversation.temporary) this.conversation.leave();
  }

  #moveIn(id: string): void {
    void this.shelf.bind(id);
    conversationsChanged();
    if (this.#left) return; // the page is elsewhere
    address.go(id, { replace: true });
    this.writing.moveIn();
  }

  #onEnd(answer: Answer): void {
    conversationsChanged();
    const refused = this.#refused;
    if (answer.state === "failed" && this.writing.text === "" && refused !== "") this.writing.keep(refused);
    this.#page.onEnd(answer, this.conversation);
  }

  /** The last question, if the server didn't begin to answer it. */
  get #refused(): string {
    const { question = null, answer = null } = this.conversation.last ?? {};
    return question?.id === null && (answer?.id ?? null) === null ? question.text : "";
  }

  /** All that was written here and can't be asked here any more. */
  get unsent(): string {
    const queued = this.conversation.queue.map(({ text }) => text);
    const texts = [this.#refused, ...queued, this.writing.text];
    return texts.filter((text) => text !== "").join("\n\n");
  }

  send(text: string): void {
    const { conversation, shelf, writing } = this;
    writing.text = "";
    shelf.pasted = null;
    if (connection.offline && !conversation.answering) {
      writing.awaitConnection(text);
      this.#page.announce(o("offline.notice"));
    } else if (shelf.busy) {
      conversation.hold(text);
      shelf.awaitAll();
      this.#page.onWaiting();
    } else if (conversation.answering) {
      this.#page.announce(c("talk.queuedAnnounced"));
      void conversation.ask(text);
      this.#page.onWaiting();
    } else this.#begin(conversation.ask(text));
  }

  retry(turn: Turn): void {
    this.#begin(this.conversation.answerAgain(turn));
  }

  goOn(turn: Turn): void {
    this.#begin(this.conversation.goOn(turn, c("talk.continueQuestion")));
  }

  askInstead(turn: Turn, text: string): void {
    this.#begin(this.conversation.edit(turn, text));
  }

  #begin(asked: Promise<void>): void {
    void asked;
    this.editing = null;
    this.reached = null;
    this.writing.keep();
    this.#page.onBegin();
  }

  sendNow(queued: Queued): void {
    if (this.shelf.busy) return this.shelf.awaitAll();
    this.shelf.awaitNone();
    void this.conversation.sendNow(queued);
  }

  takeBack(queued: Queued): void {
    const { conversation, shelf, writing } = this;
    writing.text = writing.text === "" ? queued.text : `${queued.text}\n\n${writing.text}`;
    conversation.remove(queued);
    if (conversation.queue.length === 0) shelf.awaitNone();
  }

  /** Sends what was written without a connection, once there is one. */
  sendWaiting(): void {
    if (this.conversation.phase !== "ready") return;
    const waiting = this.writing.takeWaiting();
    if (waiting !== null) void this.conversation.sendNow(waiting);
  }

  async comeOnline(): Promise<void> {
    await this.conversation.refresh();
    this.sendWaiting();
  }

  /** As an effect: sends a question that waited for documents when they are read, unless one could not be. */
  sendOnceRead(): void {
    const { obstacle } = this.shelf;
    const awaited = this.#awaitsDocuments;
    this.#awaitsDocuments = obstacle === "reading";
    if (awaited && obstacle === null) untrack(() => this.#askHeld());
  }

  #askHeld(): void {
    const [next] = this.conversation.queue;
    if (next === undefined || this.conversation.answering) return; // the answer's end sends it
    this.#begin(this.conversation.sendNow(next));
  }

  async walk(turn: Turn, itemId: string): Promise<void> {
    await this.conversation.walk(turn, itemId);
    const shown = this.conversation.turns.find(({ key }) => key === turn.key);
    if (shown === undefined) return;
    const place = [shown.question, shown.answer].find((one) => one !== null && one.siblings.count > 1);
    this.#page.announce(place ? c("talk.version", { number: place.siblings.number, count: place.siblings.count }) : "");
  }

  /** As an effect: hears what is written elsewhere in the conversation. */
  follow(): (() => void) | undefined {
    const { conversation } = this;
    const { id, phase } = conversation;
    if (id === null || phase !== "ready") return;
    return followConversation(id, {
      onChange: (news) => {
        if (news.title !== conversation.title) conversationsChanged();
        void conversation.hear(news);
      },
      onGone: () => {
        conversation.vanish();
        conversationsChanged();
      },
    });
  }

  /** After it was shared with everybody in the workspace, or no longer is. */
  share(visibility: "user" | "workspace"): void {
    this.conversation.visibility = visibility;
    void this.shelf.share(visibility);
  }
}
