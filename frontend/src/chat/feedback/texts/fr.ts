import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "feedback.up": "Bonne réponse",
  "feedback.down": "Mauvaise réponse",
  "feedback.title": "Comment était-elle\u202f?",
  "feedback.reason": "Raison",
  "feedback.reason.accurate": "Exacte",
  "feedback.reason.helpful": "Utile",
  "feedback.reason.well_written": "Bien écrite",
  "feedback.reason.inaccurate": "Fausse",
  "feedback.reason.unhelpful": "Inutile",
  "feedback.reason.instructions_ignored": "N’a pas fait ce qui était demandé",
  "feedback.reason.wrong_language": "Mauvaise langue",
  "feedback.reason.unsafe": "Nuisible",
  "feedback.reason.other": "Autre chose",
  "feedback.comment": "Dans vos mots (facultatif)",
  "feedback.consent": "Ma question et ses réponses peuvent servir à entraîner des modèles",
  "feedback.send": "Envoyer",
  "feedback.withdraw": "Retirer",
  "feedback.thanks": "Merci. C’est noté.",
  "feedback.failed": "Cela n’a pas pu être noté. Réessayez dans un instant.",
};
