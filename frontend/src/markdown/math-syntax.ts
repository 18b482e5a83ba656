/**
 * Recognizes formulas: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` on lines of their own.
 *
 * They come out as `<code class="math">` with the TeX source as text: readable as it is, and replaced by MathML once
 * KaTeX is there.
 */
import type { MarkdownIt, StateBlock, StateInline } from "markdown-it";

/** A longer formula stays as its source. */
export const LONGEST_FORMULA = 10_000;

const DISPLAY: Record<string, string> = { $$: "$$", "\\[": "\\]" };

export function mathRules(parser: MarkdownIt): void {
  parser.inline.ruler.before("escape", "math", inlineMath);
  parser.block.ruler.before("fence", "math_block", blockMath, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  parser.renderer.rules.math = (tokens, index) => {
    const token = tokens[index]!;
    return `<code class="${token.info}">${parser.utils.escapeHtml(token.content)}</code>`;
  };
  parser.renderer.rules.math_block = (tokens, index) =>
    `<p class="math-block"><code class="math display">${parser.utils.escapeHtml(tokens[index]!.content)}</code></p>\n`;
}

function inlineMath(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  const found = dollars(src, pos) ?? brackets(src, pos);
  if (found === null || found.end > state.posMax) return false;
  if (!silent) {
    const token = state.push("math", "code", 0);
    token.content = found.content.trim();
    token.info = found.display ? "math display" : "math";
  }
  state.pos = found.end;
  return true;
}

interface Found {
  content: string;
  end: number;
  display: boolean;
}

function dollars(src: string, pos: number): Found | null {
  if (src[pos] !== "$") return null;
  if (src.startsWith("$$", pos)) {
    const end = src.indexOf("$$", pos + 2);
    return end === -1 || end === pos + 2 ? null : { content: src.slice(pos + 2, end), end: end + 2, display: true };
  }
  if (/\s/.test(src[pos + 1] ?? " ")) return null;
  for (let end = src.indexOf("$", pos + 1); end !== -1; end = src.indexOf("$", end + 1)) {
    if (src[end - 1] === "\\") continue;
    // "$5 and $10" is money: a formula ends without a space before its sign and without a digit behind it.
    if (/\s/.test(src[end - 1]!) || /\d/.test(src[end + 1] ?? "")) return null;
    return { content: src.slice(pos + 1, end), end: end + 1, display: false };
  }
  return null;
}

function brackets(src: string, pos: number): Found | null {
  if (src[pos] !== "\\") return null;
  const opening = src[pos + 1];
  if (opening !== "(" && opening !== "[") return null;
  const end = src.indexOf(opening === "(" ? "\\)" : "\\]", pos + 2);
  return end === -1 ? null : { content: src.slice(pos + 2, end), end: end + 2, display: opening === "[" };
}

function blockMath(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const begin = state.bMarks[startLine]! + state.tShift[startLine]!;
  const opening = state.src.slice(begin, begin + 2);
  const closing = DISPLAY[opening];
  if (closing === undefined || state.sCount[startLine]! - state.blkIndent >= 4) return false;
  const lines: string[] = [];
  for (let line = startLine; line < endLine; line++) {
    const lineStart = line === startLine ? begin + 2 : state.bMarks[line]! + state.tShift[line]!;
    const content = state.src.slice(lineStart, state.eMarks[line]!);
    const at = content.indexOf(closing);
    if (at === -1) {
      lines.push(content);
      continue;
    }
    if (content.slice(at + closing.length).trim() !== "") return false;
    lines.push(content.slice(0, at));
    if (silent) return true;
    const token = state.push("math_block", "p", 0);
    token.content = lines.join("\n").trim();
    token.map = [startLine, line + 1];
    state.line = line + 1;
    return true;
  }
  return false;
}
