import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "shared.title": "Conversation partagée",
  "shared.opening": "Ouverture de la conversation partagée…",
  "shared.on": "Partagée le {date}",
  "shared.onBy": "Partagée par {name} le {date}",
  "shared.until": "Le lien est valable jusqu’au {date}",
  "shared.copy": "Ceci est une copie en lecture seule\u00a0: ce qui a été écrit plus tard n’y figure pas.",
  "shared.ai": "Une machine a écrit les réponses. Elles peuvent être fausses.",
  "shared.question": "Question",
  "shared.answer": "Réponse",
  "shared.answerOf": "Réponse de {model}",
  "shared.cut": "Cette réponse n’a pas été écrite jusqu’au bout.",
  "shared.more": "Afficher les messages suivants",
  "shared.continue": "Continuer dans ma propre conversation",
  "shared.continuing": "Copie…",
  "shared.continueFailed": "La conversation n’a pas pu être copiée. Réessayez dans un instant.",
  "shared.missing.title": "Rien n’est partagé ici",
  "shared.missing.text":
    "Le lien a été révoqué, a expiré ou est incomplet. Demandez-en un nouveau à la personne qui l’a envoyé.",
  "shared.failed.title": "La conversation ne peut pas être ouverte pour l’instant",
  "shared.failed.text": "Le serveur est injoignable ou trop sollicité. Réessayez dans une minute.",
  "shared.tryAgain": "Réessayer",
};
