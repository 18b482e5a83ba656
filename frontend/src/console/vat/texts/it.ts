import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "vat.number": "Partita IVA",
  "vat.numberHint": "Compare sugli estratti mensili.",
  "vat.percent": "IVA, in percentuale",
  "vat.percentHint": "Sugli estratti di questa organizzazione. Vuoto: l’aliquota delle impostazioni del server.",
};
