import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "vat.number": "Numéro de TVA",
  "vat.numberHint": "Figure sur les relevés mensuels.",
  "vat.percent": "TVA, en pour cent",
  "vat.percentHint": "Sur les relevés de cette organisation. Vide\u00a0: le taux des réglages du serveur.",
};
