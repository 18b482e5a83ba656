import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "validity.missing": "Hay que rellenar este campo.",
  "validity.choose": "Hay que elegir una opción.",
  "validity.tick": "Hay que marcar esta casilla para continuar.",
  "validity.short": "Al menos {least, plural, one {# carácter} many {# de caracteres} other {# caracteres}}.",
  "validity.long": "Como máximo {most, plural, one {# carácter} many {# de caracteres} other {# caracteres}}.",
  "validity.least": "Al menos {least}.",
  "validity.most": "Como máximo {most}.",
  "validity.number": "Hay que escribir un número.",
  "validity.whole": "Hay que escribir un número entero.",
  "validity.date": "Hay que escribir una fecha completa.",
  "validity.email": "Un correo electrónico tiene la forma nombre@example.org.",
  "validity.url": "Una dirección tiene la forma https://example.org.",
  "validity.form": "Esto no tiene la forma pedida.",
};
