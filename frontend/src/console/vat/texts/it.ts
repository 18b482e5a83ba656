import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "vat.number": "Partita IVA",
  "vat.numberHint": "Compare sui rendiconti mensili.",
  "vat.percent": "IVA, in percentuale",
  "vat.percentHint": "Sui rendiconti di questa organizzazione. Vuoto: l’aliquota delle impostazioni del server.",
};
