/** Gives the plain nodes of a rendered block their working parts: copy buttons, colours, formulas, safe links. */
import { copyText } from "../shared/clipboard.svelte";
import { stopWhileScrolling } from "../shared/scrolling";
import { LONGEST_FORMULA } from "./math-syntax";
import { sanitizeFormula, sanitizeHighlighted } from "./sanitize";

/** The interface's words in an answer; read when a part is made. */
export interface Labels {
  copy: string;
  copied: string;
  copyFailed: string;
  plain: string;
  table: string;
  formula: string;
  code: (language: string) => string;
  image: (text: string) => string;
}

const COPIED_MS = 1600;
/** Once they are loaded: to import them again would colour and typeset a block a frame later, and lay out twice. */
let highlighter: typeof import("./highlight") | null = null;
let typesetter: typeof import("./math") | null = null;
const formulas = new Map<string, DocumentFragment | null>();
const FORMULAS_KEPT = 500;

/** Everything that needs no loading; done on the tail too, so that nothing jumps when it is frozen. */
export function dress(root: ParentNode, labels: Labels): void {
  for (const link of root.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    if (link.classList.contains("image")) link.textContent = labels.image(link.textContent ?? "");
  }
  for (const table of root.querySelectorAll("table")) {
    const frame = region("div", "table-frame", labels.table);
    frame.dir = table.dir;
    table.replaceWith(frame);
    frame.append(table);
    stopWhileScrolling(frame);
  }
  for (const pre of root.querySelectorAll("pre")) {
    const code = pre.querySelector("code");
    if (code === null) continue;
    const frame = codeFrame(languageOf(code), labels);
    pre.replaceWith(frame.root);
    frame.code.replaceWith(code);
    code.dir = "ltr";
  }
}

/** A code block with its bar, empty. */
export function codeFrame(language: string, labels: Labels): { root: HTMLElement; code: HTMLElement } {
  const root = element("div", "code");
  const bar = element("div", "code-bar");
  const name = element("span", "code-language");
  name.textContent = language === "" ? labels.plain : language;
  const pre = document.createElement("pre");
  makeRegion(pre, labels.code(name.textContent));
  const code = document.createElement("code");
  code.dir = "ltr";
  pre.append(code);
  stopWhileScrolling(pre);
  bar.append(
    name,
    copyButton(() => pre.textContent ?? "", labels),
  );
  root.append(bar, pre);
  return { root, code };
}

/** Colours the finished code blocks; the highlighter is loaded when the first is there. */
export async function colour(root: ParentNode): Promise<void> {
  const blocks = [...root.querySelectorAll<HTMLElement>("pre > code:not(.coloured)")];
  if (blocks.length === 0) return;
  const { highlight } = highlighter ?? (highlighter = await import("./highlight"));
  for (const block of blocks) {
    const html = highlight(block.textContent ?? "", languageOf(block));
    block.classList.add("coloured");
    if (html !== null) block.replaceChildren(sanitizeHighlighted(html));
  }
}

/** Replaces the source of each formula by its MathML; KaTeX is loaded when the first is there. */
export async function typeset(root: ParentNode, labels: Labels): Promise<void> {
  const sources = [...root.querySelectorAll<HTMLElement>("code.math")];
  const wanted = sources.filter((source) => (source.textContent ?? "").length <= LONGEST_FORMULA);
  if (wanted.length === 0) return;
  if (!wanted.every((source) => formulas.has(keyOf(source)))) {
    const { mathml } = typesetter ?? (typesetter = await import("./math"));
    for (const source of wanted) {
      const key = keyOf(source);
      if (formulas.has(key)) continue;
      if (formulas.size >= FORMULAS_KEPT) formulas.clear();
      const html = mathml(source.textContent ?? "", source.classList.contains("display"));
      formulas.set(key, html === null ? null : sanitizeFormula(html));
    }
  }
  for (const source of wanted) {
    const formula = formulas.get(keyOf(source));
    if (!formula) continue;
    const display = source.classList.contains("display");
    const frame = display ? region("span", "formula display", labels.formula) : element("span", "formula");
    frame.dir = "ltr";
    frame.append(formula.cloneNode(true));
    if (display) stopWhileScrolling(frame);
    source.replaceWith(frame);
  }
}

function keyOf(source: HTMLElement): string {
  return `${source.className} ${source.textContent ?? ""}`;
}

function languageOf(code: Element): string {
  const name = [...code.classList].find((token) => token.startsWith("language-"));
  return (name ?? "").slice("language-".length).toLowerCase();
}

function copyButton(text: () => string, labels: Labels): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "code-copy";
  button.textContent = labels.copy;
  button.addEventListener("click", () => {
    const say = (words: string) => {
      button.textContent = words;
      setTimeout(() => (button.textContent = labels.copy), COPIED_MS);
    };
    void copyText(text()).then((copied) => say(copied ? labels.copied : labels.copyFailed));
  });
  return button;
}

/** A part that may scroll sideways by itself, and therefore has a name: it may take the focus. */
function region(tag: string, className: string, label: string): HTMLElement {
  const frame = element(tag, className);
  makeRegion(frame, label);
  return frame;
}

function makeRegion(frame: HTMLElement, label: string): void {
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", label);
}

function element(tag: string, className: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
