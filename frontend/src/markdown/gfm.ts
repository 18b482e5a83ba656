/** What GitHub's markdown adds and models write: task lists, footnotes; and numbers that stay with their units. */
import type { MarkdownIt, Token } from "markdown-it";

const TASK = /^\[([ xX])\]\s+/;
const NOTE = /^\[\^([\w-]{1,32})\]:[ \t]*/;
const REFERENCE = /^\[\^([\w-]{1,32})\]/;
/** `3 %`, `20 °C`, `1,5 km`: what follows is no longer word. */
const UNIT =
  /(\d) (?=(?:%|‰|°[CF]?|€|£|\$|[kMGT]?W(?:h)?|[kcm]?m[²³]?|µm|nm|[kmµ]?g|t|ha|[mcd]?[lL]|m?s|min|h|[kMGT]?Hz|[kMGT]?B|[KMGT]iB|[kMGT]o|dB|mol|k?Pa|k?J|[mk]?V|m?A|K|px|pt)(?![\p{L}\p{N}]))/gu;

interface Notes {
  /** The names of the notes that the text explains. */
  notes?: Set<string>;
}

export function gfmRules(parser: MarkdownIt): void {
  // A note stands where its text stands: at the end, mostly. It has one paragraph; indented lines go on in it.
  parser.block.ruler.before(
    "reference",
    "footnote",
    (state, line, end, silent) => {
      const begin = state.bMarks[line]! + state.tShift[line]!;
      const found = NOTE.exec(state.src.slice(begin, state.eMarks[line]));
      if (found === null || state.sCount[line]! - state.blkIndent >= 4) return false;
      if (silent) return true;
      const lines = [state.src.slice(begin + found[0].length, state.eMarks[line])];
      let next = line + 1;
      while (next < end && !state.isEmpty(next) && state.sCount[next]! - state.blkIndent >= 2) {
        lines.push(state.src.slice(state.bMarks[next]! + state.tShift[next]!, state.eMarks[next]));
        next++;
      }
      const opening = state.push("paragraph_open", "p", 1);
      opening.attrSet("class", "footnote");
      opening.map = [line, next];
      opening.meta = { note: found[1] };
      const text = state.push("inline", "", 0);
      text.content = lines.join("\n").trim();
      text.map = [line, next];
      text.children = [];
      state.push("paragraph_close", "p", -1);
      ((state.env as Notes).notes ??= new Set()).add(found[1]!);
      state.line = next;
      return true;
    },
    { alt: ["paragraph", "blockquote", "list"] },
  );
  // While an answer grows its notes are still to come, so a number is taken for one; a word may be a regex.
  parser.inline.ruler.before("link", "footnote_reference", (state, silent) => {
    const name = REFERENCE.exec(state.src.slice(state.pos, state.pos + 40))?.[1];
    if (name === undefined || !(/^\d+$/.test(name) || (state.env as Notes).notes?.has(name))) return false;
    if (!silent) state.push("footnote_mark", "sup", 0).content = name;
    state.pos += name.length + 3;
    return true;
  });
  parser.renderer.rules.footnote_mark = (tokens, index) =>
    `<sup class="footnote-mark">${parser.utils.escapeHtml(tokens[index]!.content)}</sup>`;

  parser.core.ruler.push("notes_and_tasks", ({ tokens, Token }) => {
    tokens.forEach((token, index) => {
      const note = (tokens[index - 1]?.meta as { note?: string } | null)?.note;
      if (note !== undefined) {
        const mark = new Token("footnote_mark", "sup", 0);
        mark.content = note;
        token.children?.unshift(mark);
      }
      if (token.type !== "inline" || tokens[index - 2]?.type !== "list_item_open") return;
      const first = token.children?.[0];
      const found = first?.type === "text" ? TASK.exec(first.content) : null;
      if (!first || found === null) return;
      first.content = `${found[1] === " " ? "☐" : "☑"}\u00a0${first.content.slice(found[0].length)}`;
      tokens[index - 2]!.attrJoin("class", "task");
    });
  });
  parser.core.ruler.push("units", ({ tokens }) => {
    const texts = tokens.flatMap((token) => token.children ?? []).filter((token: Token) => token.type === "text");
    for (const text of texts) text.content = text.content.replace(UNIT, "$1\u00a0");
  });
}
