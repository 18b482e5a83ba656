import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "artifact.open": "Ouvrir à côté",
  "artifact.html": "Page web",
  "artifact.svg": "Dessin",
  "artifact.markdown": "Texte",
  "artifact.table": "Tableau",
  "artifact.code": "Code {language}",
  "artifact.preview": "Aperçu",
  "artifact.source": "Texte source",
  "artifact.sides": "Ce qui est affiché",
  "artifact.download": "Télécharger",
  "artifact.versions": "Versions successives",
  "artifact.previous": "Version précédente",
  "artifact.next": "Version suivante",
};
