/**
 * Shows a markdown text as it grows, at a cost that does not grow with it.
 *
 * Frozen blocks are parsed once and their nodes stay; only the tail is rendered again, and of it only the blocks
 * that changed. An open code fence is not parsed at all: its new characters are appended. At the end the whole text
 * is rendered once, exactly, and only blocks that come out differently are replaced.
 */
import { BlockSplitter } from "./blocks";
import { codeFrame, colour, dress, type Labels, typeset } from "./enrich";
import { blocksOf } from "./parse";
import { sanitizeProse } from "./sanitize";

/** A tail so long is rendered again only when it has grown by this share of itself. */
const LONG_TAIL = 4096;
const LONG_TAIL_SHARE = 1 / 256;

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
  #renderedTail = "";
  #fence: { opening: string; code: HTMLElement; length: number } | null = null;

  constructor(container: HTMLElement, labels: Labels) {
    this.#container = container;
    this.#labels = labels;
  }

  /** Shows the text so far; it begins with the text of the call before. */
  update(text: string): void {
    const { frozen, tail, openFence } = this.#splitter.update(text);
    if (frozen !== "") {
      this.#fence = null;
      this.#put(this.#frozen, blocksOf(frozen));
      this.#frozen = this.#blocks.length;
      this.#settle();
      this.#renderedTail = "";
    }
    if (openFence) this.#growFence(tail);
    else this.#showTail(tail);
  }

  /** Shows the whole text, exactly as markdown says. */
  finish(text: string): void {
    this.#fence = null;
    this.#put(0, blocksOf(text));
    this.#frozen = this.#blocks.length;
    this.#settle();
  }

  #showTail(tail: string): void {
    this.#fence = null;
    if (tail === this.#renderedTail) return;
    const grown = tail.length - this.#renderedTail.length;
    if (tail.length > LONG_TAIL && this.#renderedTail !== "" && grown < tail.length * LONG_TAIL_SHARE) return;
    this.#renderedTail = tail;
    this.#put(this.#frozen, blocksOf(tail));
    for (const block of this.#blocks.slice(this.#frozen)) this.#typeset(block);
  }

  #growFence(tail: string): void {
    const border = tail.indexOf("\n") + 1;
    const opening = tail.slice(0, border);
    if (this.#fence === null || this.#fence.opening !== opening) {
      const language = /[`~]{3,}\s*([^\s`]*)/.exec(opening)?.[1] ?? "";
      const { root, code } = codeFrame(language.toLowerCase(), this.#labels);
      code.append(document.createTextNode(""));
      this.#remove(this.#frozen);
      this.#container.append(root);
      this.#blocks.push({ html: "", nodes: [root], settled: false });
      this.#fence = { opening, code, length: 0 };
      this.#renderedTail = "";
    }
    const body = tail.slice(border);
    (this.#fence.code.firstChild as Text).appendData(body.slice(this.#fence.length));
    this.#fence.length = body.length;
  }

  /** Makes the blocks from an index on be these; equal ones at the front keep their nodes. */
  #put(from: number, htmls: string[]): void {
    let same = 0;
    while (same < htmls.length && this.#blocks[from + same]?.html === htmls[same]) same++;
    this.#remove(from + same);
    for (const html of htmls.slice(same)) {
      const fragment = sanitizeProse(html);
      dress(fragment, this.#labels);
      const nodes = [...fragment.childNodes];
      this.#container.append(fragment);
      this.#blocks.push({ html, nodes, settled: false });
    }
  }

  #remove(from: number): void {
    for (const block of this.#blocks.splice(from)) for (const node of block.nodes) node.remove();
  }

  #settle(): void {
    for (const block of this.#blocks) {
      if (block.settled) continue;
      block.settled = true;
      for (const node of block.nodes) if (node instanceof HTMLElement) void colour(node);
      this.#typeset(block);
    }
  }

  #typeset(block: Block): void {
    for (const node of block.nodes) if (node instanceof HTMLElement) void typeset(node, this.#labels);
  }
}
