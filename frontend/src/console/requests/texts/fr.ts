import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "log.intro":
    "Les dernières requêtes de tous aux modèles\u00a0: des chiffres seulement, jamais ce qui a été demandé ou répondu. Les requêtes refusées avant d’atteindre un modèle n’y figurent pas.",
  "log.introOwn":
    "Vos dernières requêtes aux modèles\u00a0: des chiffres seulement, jamais ce qui a été demandé ou répondu. Les requêtes refusées avant d’atteindre un modèle n’y figurent pas.",
  "log.outcome": "Fin",
  "log.all": "Toutes",
  "log.completed": "achevée",
  "log.cancelled": "interrompue",
  "log.failed": "échouée",
  "log.refused": "refusée",
  "log.days": "Jours",
  "log.model": "Modèle",
  "log.everyModel": "Tous les modèles",
  "log.time": "Heure",
  "log.who": "Personne et clé",
  "log.session": "session",
  "log.tokens": "Tokens lus, écrits",
  "log.cost": "Coût",
  "log.first": "premier après {time}",
  "log.duration": "Durée",
  "log.batch": "lot",
  "log.older": "Requêtes plus anciennes",
  "log.empty.title": "Aucune requête ici",
  "log.empty.text": "Rien n’a été demandé dans cette période qui corresponde aux filtres.",
};
