import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "validity.missing": "Remplissez ce champ.",
  "validity.choose": "Choisissez une des possibilités.",
  "validity.tick": "Cochez cette case pour continuer.",
  "validity.short": "Au moins {least, plural, one {# caractère} many {# de caractères} other {# caractères}}.",
  "validity.long": "Au plus {most, plural, one {# caractère} many {# de caractères} other {# caractères}}.",
  "validity.least": "Au moins {least}.",
  "validity.most": "Au plus {most}.",
  "validity.number": "Écrivez un nombre.",
  "validity.whole": "Écrivez un nombre entier.",
  "validity.date": "Écrivez une date complète.",
  "validity.email": "Écrivez une adresse e-mail, comme nom@example.org.",
  "validity.url": "Écrivez une adresse, comme https://example.org.",
  "validity.form": "Ceci n’a pas la forme demandée.",
};
