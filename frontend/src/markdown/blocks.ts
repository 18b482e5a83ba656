/**
 * Splits a growing markdown text into blocks that no later text can change, and a tail that it can.
 *
 * A block is frozen at a blank line outside fences; a list waits until something that is no part of it begins, so
 * that its items stay one list. Where the rule and markdown disagree (a reference defined later, say), the one exact
 * render at the end has the last word.
 */

const FENCE_OPENS = /^(?:\s|>|[-*+]\s|\d{1,9}[.)]\s)*(`{3,}(?=[^`]*$)|~{3,})/;
const LIST_ITEM = /^\s*(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
const INDENTED = /^(?: {2,}|\t)/;
/** A longer list is frozen in pieces all the same. */
const LONGEST_LIST = 16_384;

export interface Split {
  /** Blocks frozen by this call; those of all calls and the tail make up the whole text. */
  frozen: string[];
  tail: string;
  /** The tail is one fenced code block that has not ended. */
  openFence: boolean;
}

export class BlockSplitter {
  /** Where the tail begins. */
  #start = 0;
  /** Where the first line begins that has not been looked at. */
  #scanned = 0;
  /** What ends the fence or display formula that is open. */
  #closes: RegExp | null = null;
  #tailIsFence = false;
  #tailIsList = false;
  /** In a list, after a blank line: the list may go on. */
  #mayFreezeAt = -1;

  /** Takes the whole text so far, which begins with the whole text of the call before. */
  update(text: string): Split {
    const frozen: string[] = [];
    let before = this.#start;
    for (let end = text.indexOf("\n", this.#scanned); end !== -1; end = text.indexOf("\n", this.#scanned)) {
      const line = text.slice(this.#scanned, end);
      const lineStart = this.#scanned;
      this.#scanned = end + 1;
      this.#look(line, lineStart);
      if (this.#start > before) frozen.push(text.slice(before, this.#start));
      before = this.#start;
    }
    return {
      frozen,
      tail: text.slice(this.#start),
      openFence: this.#tailIsFence && this.#closes !== null,
    };
  }

  #look(line: string, lineStart: number): void {
    if (this.#closes !== null) {
      if (this.#closes.test(line)) this.#closes = null;
      return;
    }
    if (line.trim() === "") {
      if (this.#tailIsList && this.#scanned - this.#start < LONGEST_LIST) this.#mayFreezeAt = this.#scanned;
      else this.#freeze(this.#scanned);
      return;
    }
    if (this.#mayFreezeAt !== -1 && !LIST_ITEM.test(line) && !INDENTED.test(line)) this.#freeze(this.#mayFreezeAt);
    this.#mayFreezeAt = -1;
    if (lineStart === this.#start) this.#tailIsList = LIST_ITEM.test(line);
    this.#closes = this.#closing(line);
    if (lineStart === this.#start) this.#tailIsFence = this.#closes !== null && /^ {0,3}[`~]/.test(line);
  }

  #freeze(end: number): void {
    this.#start = end;
    this.#tailIsFence = false;
    this.#tailIsList = false;
    this.#mayFreezeAt = -1;
  }

  #closing(line: string): RegExp | null {
    const fence = FENCE_OPENS.exec(line)?.[1];
    if (fence !== undefined) return new RegExp(`^[\\s>]*\\${fence[0]}{${fence.length},}\\s*$`);
    const trimmed = line.trim();
    if (trimmed.startsWith("$$") && !trimmed.slice(2).includes("$$")) return /\$\$\s*$/;
    if (trimmed.startsWith("\\[") && !trimmed.includes("\\]")) return /\\\]\s*$/;
    return null;
  }
}
