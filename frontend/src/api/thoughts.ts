/**
 * What a model says to itself, apart from its answer.
 *
 * Servers send thoughts as `reasoning_content`; some leave them in the text, between the model's own marks.
 */
import type { ChunkDelta } from "./schema";

export type Piece =
  | { type: "thought"; text: string }
  | { type: "text"; text: string }
  /** All that came as text until now was thoughts: the mark that ends them came without the one that begins them. */
  | { type: "textWasThoughts" };

const MARKS = [
  ["<think>", "</think>"],
  ["[THINK]", "[/THINK]"],
] as const;

/** Takes a streamed text apart; half a mark is never given out. */
export class ThoughtSplitter {
  #closing: string | null = null;
  #part: "start" | "thoughts" | "afterThoughts" | "text" = "start";
  #held = "";

  *read(delta: ChunkDelta): Generator<Piece> {
    if (delta.reasoning_content) yield { type: "thought", text: delta.reasoning_content };
    if (delta.content) yield* this.#add(delta.content);
  }

  /** What was held back because it could have become a mark. */
  *end(): Generator<Piece> {
    const rest = this.#held;
    this.#held = "";
    if (rest !== "" && this.#part !== "afterThoughts") {
      yield { type: this.#part === "thoughts" ? "thought" : "text", text: rest };
    }
  }

  *#add(more: string): Generator<Piece> {
    let text = this.#held + more;
    this.#held = "";
    if (this.#part === "start") {
      const start = text.trimStart();
      if (MARKS.some(([opening]) => opening.startsWith(start))) {
        this.#held = text; // nothing yet, or the beginning of a mark
        return;
      }
      const mark = MARKS.find(([opening]) => start.startsWith(opening));
      this.#part = mark === undefined ? "text" : "thoughts";
      this.#closing = mark?.[1] ?? null;
      if (mark !== undefined) text = start.slice(mark[0].length);
    }
    if (this.#part === "thoughts" && this.#closing !== null) {
      const end = text.indexOf(this.#closing);
      if (end < 0) {
        const held = heldBack(text, this.#closing);
        this.#held = text.slice(text.length - held);
        if (text.length > held) yield { type: "thought", text: text.slice(0, text.length - held) };
        return;
      }
      if (end > 0) yield { type: "thought", text: text.slice(0, end) };
      text = text.slice(end + this.#closing.length);
      this.#part = "afterThoughts";
    }
    if (this.#part === "afterThoughts") {
      text = text.trimStart();
      if (text === "") return;
      this.#part = "text";
    }
    if (this.#closing === null) yield* this.#unopened(text);
    else if (text !== "") yield { type: "text", text };
  }

  /** Text without a mark at its start: the template may have begun the thoughts, so that only their end is written. */
  *#unopened(text: string): Generator<Piece> {
    for (const [, closing] of MARKS) {
      const line = `\n${closing}`;
      const end = text.indexOf(line);
      if (end >= 0) {
        if (end > 0) yield { type: "text", text: text.slice(0, end) };
        yield { type: "textWasThoughts" };
        this.#closing = closing;
        this.#part = "afterThoughts";
        yield* this.#add(text.slice(end + line.length));
        return;
      }
    }
    const held = Math.max(...MARKS.map(([, closing]) => heldBack(text, `\n${closing}`)));
    this.#held = text.slice(text.length - held);
    if (text.length > held) yield { type: "text", text: text.slice(0, text.length - held) };
  }
}

/** How many characters at the end may be the beginning of the mark. */
function heldBack(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}
