import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  title: "Tokens",
  lead: "Un modèle ne lit ni lettres ni mots. Il lit des tokens\u00a0: des morceaux de texte qu’il connaît par leur numéro. Écrivez quelque chose et voyez lesquels.",
  sample: "L’aquilon est le vent du nord\u00a0: froid, clair et fort. 🌬️",
  text: "Votre texte",
  model: "Modèle",
  count: "Tokens",
  perWord: "Tokens par mot",
  price: "Prix de lecture",
  "price.none": "aucun prix fixé",
  noModel: "Aucun modèle de ce serveur ne peut découper un texte en tokens\u00a0: tous répondent d’ailleurs.",
  "languages.title": "La même chose en cinq langues",
  "languages.lead": "Un vocabulaire tiré surtout de textes anglais découpe les autres langues en plus de morceaux.",
  "languages.sentence": "Phrase",
  "languages.own": "La vôtre",
  "languages.tokens": "Tokens\u00a0: {count}",
  "languages.why":
    "Plus de tokens, c’est un prix plus élevé, une réponse plus lente et un contexte plus vite rempli. Modifiez n’importe quelle phrase.",
};
