import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "offline.title": "Vous êtes hors ligne",
  "offline.text": "Ce que vous écrivez reste ici. Un message peut attendre\u00a0: il part au retour de la connexion.",
  "offline.draft": "Votre message",
  "offline.wait": "Envoyer à mon retour",
  "offline.waits": "Attend la connexion",
  "offline.back": "Reprendre",
  "offline.one": "Un message attend déjà. Reprenez-le, ou attendez le retour de la connexion.",
  "offline.notice": "Vous êtes hors ligne. Votre message attend et part au retour de la connexion.",
  "offline.sentLater": "Vous êtes hors ligne. Un message peut attendre le retour de la connexion.",
  "offline.new": "Une nouvelle version de cette page est là.",
  "offline.reload": "Recharger",
};
