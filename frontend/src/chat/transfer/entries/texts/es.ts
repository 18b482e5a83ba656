import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "entries.share": "Compartir…",
  "entries.markdown": "Exportar como Markdown",
  "entries.json": "Exportar como JSON",
  "entries.import": "Importar conversaciones…",
};
