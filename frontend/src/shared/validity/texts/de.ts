import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "validity.missing": "Füllen Sie dieses Feld aus.",
  "validity.choose": "Wählen Sie eine Möglichkeit.",
  "validity.tick": "Setzen Sie das Häkchen, um fortzufahren.",
  "validity.short": "Mindestens {least, plural, one {# Zeichen} other {# Zeichen}}.",
  "validity.long": "Höchstens {most, plural, one {# Zeichen} other {# Zeichen}}.",
  "validity.least": "Mindestens {least}.",
  "validity.most": "Höchstens {most}.",
  "validity.number": "Schreiben Sie eine Zahl.",
  "validity.whole": "Schreiben Sie eine ganze Zahl.",
  "validity.date": "Schreiben Sie ein vollständiges Datum.",
  "validity.email": "Schreiben Sie eine E-Mail-Adresse, etwa name@example.org.",
  "validity.url": "Schreiben Sie eine Adresse, etwa https://example.org.",
  "validity.form": "Das hat nicht die verlangte Form.",
};
