/** Where a conversation lives: on the server, or in this page alone (`memory-talk.ts`). Both have a tree, and answers in it. */
import { changeConversation, readPath, type PathOf } from "../api/conversations";
import { beginStoredResponse, cancelResponse, followResponse, type ResponseEvent } from "../api/responses";
import { pauseUntilOnline, reattaching } from "./reattaching";
import { pageOf, type PathPage } from "./tree";

/** How many items a page of a path has. */
export const PAGE_ITEMS = 40;

export interface Ask {
  model: string;
  /** The item that the question is below, or that is answered again; null at the beginning. */
  parentId: string | null;
  /** null to answer the parent once more. */
  question: string | null;
  /** Under which it is answered once, however often it is sent. */
  requestId: string;
  /** What the answer begins with. */
  prefix?: string;
  /** What the model is told before the conversation; empty for nothing. */
  instructions: string;
  /** The libraries of documents that the answer is to use. */
  libraries: readonly string[];
}

/** Who follows an answer: for as long as the signal says, told when the connection is lost and back. */
export interface Follower {
  signal: AbortSignal;
  onLost: (lost: boolean) => void;
}

export type Events = AsyncGenerator<ResponseEvent, void, void>;

export interface Talk {
  path: (of: PathOf, limit?: number, after?: string) => Promise<PathPage>;
  answer: (ask: Ask, follower: Follower) => Events;
  /** The events of an answer that is being written, all of them. */
  follow: (answerId: string, follower: Follower) => Events;
  /** Ends an answer; what has arrived stays. */
  stop: (answerId: string) => Promise<void>;
  moveHead: (itemId: string) => Promise<void>;
}

/** A conversation that the server keeps: its answers are written whether anybody follows them or not. */
export class ServerTalk implements Talk {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  async path(of: PathOf, limit = PAGE_ITEMS, after?: string): Promise<PathPage> {
    return pageOf(await readPath(this.id, of, limit, after));
  }

  answer({ model, parentId, question, requestId, prefix, instructions, libraries }: Ask, follower: Follower): Events {
    const request = {
      model,
      input: question === null ? [] : [{ role: "user" as const, content: question }],
      conversation: { id: this.id, parent_id: parentId, request_id: requestId },
      background: true,
      truncation: "auto" as const,
      ...(prefix === undefined ? {} : { prefix }),
      ...(instructions === "" ? {} : { instructions }),
      ...(libraries.length === 0
        ? {}
        : { tools: [{ type: "file_search" as const, vector_store_ids: [...libraries] }] }),
    };
    const begin = () => beginStoredResponse(request, follower.signal);
    return reattaching({ ...this.#connection(follower), begin });
  }

  follow(answerId: string, follower: Follower): Events {
    const begin = () => followResponse(answerId, -1, follower.signal);
    return reattaching({ ...this.#connection(follower), begin }, answerId);
  }

  stop(answerId: string): Promise<void> {
    return cancelResponse(answerId);
  }

  async moveHead(itemId: string): Promise<void> {
    await changeConversation(this.id, { head_id: itemId });
  }

  #connection({ signal, onLost }: Follower) {
    return {
      resume: (id: string, after: number) => followResponse(id, after, signal),
      pause: (milliseconds: number) => pauseUntilOnline(milliseconds, signal),
      onLost,
    };
  }
}
