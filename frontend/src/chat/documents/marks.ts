/** Turns the marks `[1]` of a rendered answer into buttons that open the passages that they name. */
import type { Note } from "./notes";

const MARK = /\[(\d{1,3}(?:\s?[,;]\s?\d{1,3})*)\]/g;
/** Where a mark is only text; code counts for the order of the marks, since the server reads it as text. */
const NOT_IN = "pre, a, button, math";

export interface MarkLabels {
  supported: (note: Note) => string;
  unsupported: (note: Note) => string;
}

export class Marks {
  #container: HTMLElement;
  #labels: MarkLabels;
  #done = new WeakSet<Node>();

  constructor(container: HTMLElement, labels: MarkLabels) {
    this.#container = container;
    this.#labels = labels;
  }

  /** Blocks that are marked already keep their buttons; what is known of each note is brought up to date. */
  show(notes: readonly Note[]): void {
    const numbers = new Set(notes.map(({ number }) => number));
    for (const block of this.#container.children) {
      if (this.#done.has(block)) continue;
      this.#done.add(block);
      markBlock(block, numbers);
    }
    const byNumber = Map.groupBy(notes, ({ number }) => number);
    for (const button of this.#container.querySelectorAll<HTMLElement>("[data-note]")) {
      const note = byNumber.get(Number(button.dataset.note))?.shift();
      if (note === undefined || !(button instanceof HTMLButtonElement)) continue;
      const failed = note.support === "unsupported";
      button.dataset.at = String(notes.indexOf(note));
      button.setAttribute("aria-label", failed ? this.#labels.unsupported(note) : this.#labels.supported(note));
      button.title = button.getAttribute("aria-label") ?? "";
      button.classList.toggle("unsupported", failed);
      if (failed) underlineSentence(button);
    }
  }

  /** Forgets blocks whose notes were not known when they were marked. */
  again(): void {
    this.#done = new WeakSet();
  }
}

function markBlock(block: Element, numbers: ReadonlySet<number>): void {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if ((node as Text).data.includes("[")) texts.push(node as Text);
  }
  for (const text of texts) {
    if (text.parentElement?.closest(NOT_IN)) continue;
    const code = text.parentElement?.closest("code") !== null;
    const marks = [...text.data.matchAll(MARK)].map((match) => ({
      index: match.index,
      end: match.index + match[0].length,
      numbers: (match[1]!.match(/\d+/g) ?? []).map(Number).filter((number) => numbers.has(number)),
    }));
    for (const { index, end, numbers } of marks.reverse()) {
      if (numbers.length === 0) continue;
      const after = text.splitText(end);
      const mark = text.splitText(index);
      if (code) mark.after(...numbers.map(countOnly));
      else mark.replaceWith(inOneLine(text, numbers.map(button), after));
    }
  }
}

/**
 * The buttons with the word before them and the point behind them, taken out of the texts, so that neither a number nor
 * a point begins a line: browsers break before and behind a button, even at a no-break space.
 */
function inOneLine(before: Text, buttons: HTMLElement[], after: Text): HTMLElement {
  const word = /[^\s[\]]{0,24}\s*$/.exec(before.data)?.[0] ?? "";
  const point = /^[\u00a0\u202f]?[.,;:!?…»”’)]*/.exec(after.data)?.[0] ?? "";
  before.data = before.data.slice(0, before.data.length - word.length);
  after.data = after.data.slice(point.length);
  const line = document.createElement("span");
  line.className = "one-line";
  line.append(word.replace(/\s+$/, "\u00a0"), ...buttons, point);
  return line;
}

function button(number: number): HTMLElement {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "note";
  element.dataset.note = String(number);
  element.textContent = String(number);
  return element;
}

function countOnly(number: number): HTMLElement {
  const element = document.createElement("span");
  element.dataset.note = String(number);
  return element;
}

/** Marks what of the sentence stands before the button in the same run of text. */
function underlineSentence(button: HTMLElement): void {
  const line = button.parentElement;
  const [before, word] = [line?.previousSibling, line?.firstChild];
  if (!(before instanceof Text) || !(word instanceof Text)) return;
  const text = before.data + word.data;
  const sentences = [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(text)];
  const last = sentences.findLast(({ segment }) => segment.trim() !== "");
  if (last === undefined) return;
  if (last.index < before.data.length) underline(before.splitText(last.index));
  underline(word);
}

function underline(text: Text): void {
  const frame = document.createElement("span");
  frame.className = "unsupported-sentence";
  text.replaceWith(frame);
  frame.append(text);
}
