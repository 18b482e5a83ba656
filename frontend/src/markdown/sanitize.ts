/** The one door by which HTML made of a model's words enters the page. */
import DOMPurify, { type Config } from "dompurify";

const PROSE: Config = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "em"],
    ...["strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td", "span", "sup"],
  ],
  ALLOWED_ATTR: ["class", "dir", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  // Else their values would be held against the pattern for addresses.
  ADD_URI_SAFE_ATTR: ["dir", "start"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
};

const HIGHLIGHTED: Config = {
  ALLOWED_TAGS: ["span"],
  ALLOWED_ATTR: ["class"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
};

const FORMULA: Config = {
  USE_PROFILES: { mathMl: true },
  FORBID_ATTR: ["style", "href", "class", "id"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
};

function sanitizer(config: Config): (html: string) => DocumentFragment {
  return (html) => DOMPurify.sanitize(html, { ...config, RETURN_DOM_FRAGMENT: true });
}

const sanitizeProse = sanitizer(PROSE);
export const sanitizeHighlighted = sanitizer(HIGHLIGHTED);
export const sanitizeFormula = sanitizer(FORMULA);

/** Each block by itself. They are cleaned together, since each call costs more than a block, where they come apart again. */
export function sanitizeBlocks(htmls: readonly string[]): DocumentFragment[] {
  if (htmls.length > 1) {
    const elements = [...sanitizeProse(htmls.join("")).childNodes];
    if (elements.length === htmls.length && elements.every((node) => node instanceof Element)) {
      return elements.map((element) => {
        const alone = document.createDocumentFragment();
        alone.append(element);
        return alone;
      });
    }
  }
  return htmls.map(sanitizeProse);
}
