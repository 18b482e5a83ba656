import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "picker.more": "Ajouter des modèles",
  "scorecard.title": "Mesuré sur ce serveur",
  "scorecard.language": "Langue",
  "scorecard.bits": "Bits par octet",
  "scorecard.answers": "Réponses justes",
  "scorecard.hint":
    "Moins il y a de bits par octet, mieux c’est. L’intervalle contient la part réelle avec une confiance de 95\u00a0%.",
  "scorecard.task": "{task}\u00a0: {share} (de {low} à {high})",
};
