/** Markdown to HTML, one string a top-level block; still to be sanitized, and made for it: no HTML of the text's own. */
import createMarkdownIt, { type MarkdownIt, type Token } from "markdown-it";
import { directionOf } from "../shared/direction";
import { gfmRules } from "./gfm";
import { mathRules } from "./math-syntax";

const SAFE_LINK = /^(?:https?:|mailto:)/i;
/** Blocks whose direction follows their own text, so that Arabic or Hebrew reads right beside French. */
const DIRECTED = new Set(["paragraph_open", "heading_open", "th_open", "td_open"]);
/** Blocks of blocks: `auto` would pass over what has a direction of its own, so theirs is that of their first text. */
const CONTAINERS = new Set(["bullet_list_open", "ordered_list_open", "blockquote_open", "table_open"]);

/** The direction of the first letter from a token on; code has none, nor have the marks of a list of tasks. */
function directionFrom(tokens: Token[], index: number): string {
  for (const token of tokens.slice(index + 1)) {
    if (token.type !== "inline") continue;
    const texts = (token.children ?? []).filter((child) => child.type === "text").map((child) => child.content);
    const direction = directionOf(texts.join(""));
    if (direction !== null) return direction;
  }
  return "auto";
}

function createParser(): MarkdownIt {
  const parser = createMarkdownIt({ html: false, linkify: true, typographer: false, maxNesting: 40 });
  parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  parser.validateLink = (address) => SAFE_LINK.test(address);
  parser.use(mathRules);
  parser.use(gfmRules);
  parser.core.ruler.push("direction_and_alignment", (state) => {
    for (const [index, token] of state.tokens.entries()) {
      if (DIRECTED.has(token.type)) token.attrSet("dir", "auto");
      if (CONTAINERS.has(token.type)) token.attrSet("dir", directionFrom(state.tokens, index));
      if (token.attrs === null) continue;
      const alignment = /text-align:(left|center|right)/.exec(String(token.attrGet("style")))?.[1];
      token.attrs = token.attrs.filter(([name]) => name !== "style");
      if (alignment !== undefined) token.attrJoin("class", `align-${alignment}`);
    }
  });
  // A remote picture would tell its server who reads it: what is shown is its description, as a link.
  parser.renderer.rules.image = (tokens, index) => {
    const token = tokens[index]!;
    const text = parser.utils.escapeHtml(token.content || "…");
    const address = parser.utils.escapeHtml(String(token.attrGet("src")));
    return `<a class="image" href="${address}">${text}</a>`;
  };
  return parser;
}

const parser = createParser();

/** The HTML of each top-level block of a text. */
export function blocksOf(text: string): string[] {
  const environment = {};
  const tokens = parser.parse(text, environment);
  const blocks: string[] = [];
  let first = 0;
  tokens.forEach((token: Token, index: number) => {
    if (token.level === 0 && token.nesting <= 0) {
      blocks.push(parser.renderer.render(tokens.slice(first, index + 1), parser.options, environment).trimEnd());
      first = index + 1;
    }
  });
  return blocks;
}
