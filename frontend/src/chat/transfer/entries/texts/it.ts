import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "entries.share": "Condividi…",
  "entries.markdown": "Esporta come Markdown",
  "entries.json": "Esporta come JSON",
  "entries.import": "Importa conversazioni…",
};
