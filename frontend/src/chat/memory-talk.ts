/** A conversation that nobody keeps: each question goes to the model with all that was said before. */
import type { PathOf } from "../api/conversations";
import { Problem } from "../api/problem";
import { beginResponse, type AnswerEnd, type ResponseEvent } from "../api/responses";
import { MemoryTree } from "./memory-tree";
import type { Ask, Events, Follower, Talk } from "./talks";
import type { PathPage } from "./tree";

export class MemoryTalk implements Talk {
  #tree = new MemoryTree();
  #stopping: AbortController | null = null;

  path(of: PathOf): Promise<PathPage> {
    return Promise.resolve(this.#tree.path(of));
  }

  async *answer({ model, parentId, question, prefix, instructions }: Ask, { signal }: Follower): Events {
    const asked = question === null ? parentId! : this.#tree.add(parentId, "user", question);
    const input = this.#tree
      .path({ leaf: asked })
      .entries.flatMap(({ role, text }) => (role === "other" || text === "" ? [] : [{ role, content: text }]));
    const stopping = (this.#stopping = new AbortController());
    const request = {
      model,
      input,
      store: false,
      truncation: "auto" as const,
      ...(prefix === undefined ? {} : { prefix }),
      ...(instructions === "" ? {} : { instructions }),
    };
    let [text, thoughts, number] = ["", "", 0];
    const keep = (end: AnswerEnd): ResponseEvent => {
      [text, thoughts] = [end.text || text, end.thoughts || thoughts];
      const id = text === "" && thoughts === "" ? null : this.#tree.add(asked, "assistant", text, thoughts);
      return { type: "end", number: number + 1, end: { ...end, text, thoughts, firstId: id, leafId: id } };
    };
    try {
      for await (const event of beginResponse(request, AbortSignal.any([signal, stopping.signal]))) {
        number = event.number;
        if (event.type === "text") text += event.text;
        else if (event.type === "thought") thoughts += event.text;
        yield event.type === "end" ? keep(event.end) : event;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (stopping.signal.aborted) yield keep({ ...NOTHING, model, status: "cancelled" });
      else {
        keep({ ...NOTHING, model, status: "failed" });
        throw error;
      }
    }
  }

  follow(): Events {
    throw new Problem("invalid", "An answer that nobody keeps can't be followed again");
  }

  stop(): Promise<void> {
    this.#stopping?.abort();
    return Promise.resolve();
  }

  moveHead(itemId: string): Promise<void> {
    this.#tree.moveHead(itemId);
    return Promise.resolve();
  }
}

const NOTHING = {
  usage: null,
  error: null,
  incomplete: null,
  text: "",
  thoughts: "",
  annotations: [],
  firstId: null,
  leafId: null,
} satisfies Partial<AnswerEnd>;
