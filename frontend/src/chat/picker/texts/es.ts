import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "picker.more": "Añadir modelos",
  "scorecard.title": "Medido en este servidor",
  "scorecard.language": "Idioma",
  "scorecard.bits": "Bits por byte",
  "scorecard.answers": "Respuestas correctas",
  "scorecard.hint":
    "Cuantos menos bits por byte, mejor. El intervalo contiene la proporción real con un 95\u00a0% de confianza.",
  "scorecard.task": "{task}: {share} (de {low} a {high})",
};
