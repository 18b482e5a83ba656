/** Asking to join. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "ask.title": "Pas encore d’invitation\u202f?",
  "ask.text":
    "Demandez à rejoindre. Une personne de l’administration lit la liste et envoie les invitations\u202f; aucun compte n’est créé maintenant.",
  "ask.name": "Votre nom",
  "ask.email": "Adresse e-mail",
  "ask.reason": "Pourquoi vous voulez rejoindre (facultatif)",
  "ask.send": "Demander à rejoindre",
  "ask.received": "Votre demande est bien reçue. Si elle est acceptée, une invitation vous sera envoyée.",
};
