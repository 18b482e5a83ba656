import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "picker.more": "Aggiungi modelli",
  "scorecard.title": "Misurato su questo server",
  "scorecard.language": "Lingua",
  "scorecard.bits": "Bit per byte",
  "scorecard.answers": "Risposte giuste",
  "scorecard.hint": "Meno bit per byte è meglio. L’intervallo contiene la quota reale con una confidenza del 95%.",
  "scorecard.task": "{task}: {share} (da {low} a {high})",
};
