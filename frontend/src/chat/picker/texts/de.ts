import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "picker.more": "Weitere Modelle laden",
  "scorecard.title": "Auf diesem Server gemessen",
  "scorecard.language": "Sprache",
  "scorecard.bits": "Bits pro Byte",
  "scorecard.answers": "Richtige Antworten",
  "scorecard.hint":
    "Weniger Bits pro Byte sind besser. Der Bereich enthält den wahren Anteil mit 95\u00a0% Sicherheit.",
  "scorecard.task": "{task}: {share} ({low} bis {high})",
};
