import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "entries.share": "Partager…",
  "entries.markdown": "Exporter en Markdown",
  "entries.json": "Exporter en JSON",
  "entries.import": "Importer des conversations…",
};
