/**
 * Shows a markdown text as it grows, at a cost that does not grow with it.
 *
 * Frozen blocks are parsed once and their nodes stay; only the tail is rendered again, and of it only the blocks
 * that changed. An open code fence is not parsed at all: its new characters are appended. What comes faster than it
 * can be drawn is drawn over several frames. At the end the whole text is rendered once, exactly, and only blocks that
 * come out differently are replaced.
 */
import { BlockSplitter } from "./blocks";
import { codeFrame, colour, dress, type Labels, typeset } from "./enrich";
import { blocksOf } from "./parse";
import { sanitizeBlocks } from "./sanitize";

/** A tail so long is rendered again only when it has grown by this share of itself. */
const LONG_TAIL = 4096;
const LONG_TAIL_SHARE = 1 / 256;
/** How long one frame may add blocks; to lay them out and paint them takes twice as long again. */
const ADDING_MS = 8;
/** How many characters are frozen between two looks at the clock. */
const FROZEN_AT_ONCE = 1024;

interface Block {
  /** What it was made of: the same HTML keeps its nodes. */
  html: string;
  nodes: ChildNode[];
  settled: boolean;
}

export class MarkdownView {
  #container: HTMLElement;
  #labels: Labels;
  #splitter = new BlockSplitter();
  #blocks: Block[] = [];
  /** How many of the blocks are frozen. */
  #frozen = 0;
  /** Frozen text that no frame has had the time for. */
  #waiting: string[] = [];
  #renderedTail = "";
  #fence: { opening: string; code: HTMLElement; length: number } | null = null;

  constructor(container: HTMLElement, labels: Labels) {
    this.#container = container;
    this.#labels = labels;
  }

  /**
   * Shows as much of the text so far as one frame has the time for; false if there is more.
   *
   * The text begins with that of the call before.
   */
  update(text: string): boolean {
    const { frozen, tail, openFence } = this.#splitter.update(text);
    this.#waiting.push(...frozen);
    const until = performance.now() + ADDING_MS;
    while (this.#waiting.length > 0) {
      if (performance.now() > until) return false;
      this.#freeze(this.#someWaiting());
    }
    if (openFence) this.#growFence(tail);
    else this.#showTail(tail);
    return true;
  }

  /** Shows the whole text at once, exactly as markdown says. */
  finish(text: string): void {
    this.#waiting = [];
    this.#fence = null;
    this.#settle(0, blocksOf(text));
  }

  #someWaiting(): string[] {
    let [length, count] = [0, 0];
    while (count < this.#waiting.length && length < FROZEN_AT_ONCE) length += this.#waiting[count++]!.length;
    return this.#waiting.splice(0, count);
  }

  #freeze(texts: string[]): void {
    this.#fence = null;
    this.#settle(this.#frozen, texts.flatMap(blocksOf));
    this.#renderedTail = "";
  }

  #showTail(tail: string): void {
    this.#fence = null;
    if (tail === this.#renderedTail) return;
    const grown = tail.length - this.#renderedTail.length;
    if (tail.length > LONG_TAIL && this.#renderedTail !== "" && grown < tail.length * LONG_TAIL_SHARE) return;
    this.#renderedTail = tail;
    this.#put(this.#frozen, blocksOf(tail), false);
  }

  #growFence(tail: string): void {
    const border = tail.indexOf("\n") + 1;
    const opening = tail.slice(0, border);
    if (this.#fence === null || this.#fence.opening !== opening) {
      const language = /[`~]{3,}\s*([^\s`]*)/.exec(opening)?.[1] ?? "";
      const { root, code } = codeFrame(language.toLowerCase(), this.#labels);
      code.append(document.createTextNode(""));
      this.#replace(this.#frozen, this.#blocks.length, []);
      this.#container.append(root);
      this.#blocks.push({ html: "", nodes: [root], settled: false });
      this.#fence = { opening, code, length: 0 };
      this.#renderedTail = "";
    }
    const body = tail.slice(border);
    (this.#fence.code.firstChild as Text).appendData(body.slice(this.#fence.length));
    this.#fence.length = body.length;
  }

  /** Makes the blocks from an index on be these, which no later text changes. */
  #settle(from: number, htmls: string[]): void {
    this.#put(from, htmls, true);
    this.#frozen = this.#blocks.length;
    for (const block of this.#blocks) {
      if (!block.settled) for (const node of block.nodes) if (node instanceof HTMLElement) void colour(node);
      block.settled = true;
    }
  }

  /** Makes the blocks from an index on be these; equal ones at the front and at the back keep their nodes. */
  #put(from: number, htmls: string[], settled: boolean): void {
    let front = from;
    while (front - from < htmls.length && this.#blocks[front]?.html === htmls[front - from]) front++;
    const fresh = htmls.slice(front - from);
    let back = this.#blocks.length;
    while (back > front && fresh.length > 0 && this.#blocks[back - 1]!.html === fresh.at(-1)) {
      fresh.pop();
      back--;
    }
    const next = this.#blocks.slice(back).flatMap((block) => block.nodes)[0] ?? null;
    const blocks = sanitizeBlocks(fresh).map((fragment, index) => {
      // Before it is on the page, where each change of it costs more.
      dress(fragment, this.#labels);
      void typeset(fragment, this.#labels);
      if (settled) void colour(fragment);
      const nodes = [...fragment.childNodes];
      this.#container.insertBefore(fragment, next);
      return { html: fresh[index]!, nodes, settled };
    });
    this.#replace(front, back, blocks);
  }

  /** Takes some blocks off the page; others, which are on it, have their place. */
  #replace(from: number, to: number, instead: Block[]): void {
    for (const block of this.#blocks.splice(from, to - from, ...instead)) for (const node of block.nodes) node.remove();
  }
}
