import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "entries.share": "Teilen…",
  "entries.markdown": "Als Markdown exportieren",
  "entries.json": "Als JSON exportieren",
  "entries.import": "Unterhaltungen importieren…",
};
