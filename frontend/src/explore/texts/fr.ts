import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "nav.explore": "Explorer",
  "nav.skip": "Aller à la page",
  "nav.home": "Aquilon, toutes les pages d’exploration",
  "nav.pages": "Pages d’exploration",
  "nav.tokens": "Tokens",
  "nav.inside": "Dedans",
  "nav.compare": "Comparer",
  "nav.tour": "Visite",
  off: "Votre organisation l’a désactivé pour vous\u00a0: un administrateur peut l’activer.",
  "home.title": "Qu’est-ce qu’un modèle de langue\u202f?",
  "home.lead": "Regardez-en un à l’œuvre. Chaque nombre de ces pages vient du modèle de ce serveur.",
  "home.tokens": "Voir une phrase devenir des tokens, et ce qu’elle coûte en cinq langues.",
  "home.inside": "Voir à quel point le modèle est sûr de chaque token, et ce qu’il aurait pu dire.",
  "home.compare": "Deux réponses côte à côte, sans noms. Laquelle est la meilleure\u202f?",
  "home.tour": "Dix minutes, six expériences, un petit quiz. Le meilleur point de départ.",
};
