/** Loads the renderer of Markdown after the page can be typed into. */
import type { MarkdownView } from "./view";

let loading: Promise<typeof MarkdownView> | null = null;
let loaded: typeof MarkdownView | null = null;

/** The renderer once it is there. */
export function loadedMarkdown(): typeof MarkdownView | null {
  return loaded;
}

/** Called ahead of the first answer, so that the renderer is there when the first token is. */
export function loadMarkdown(): Promise<typeof MarkdownView> {
  loading ??= import("./view").then((module) => (loaded = module.MarkdownView));
  return loading;
}
