import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "vat.number": "NIF-IVA",
  "vat.numberHint": "Figura en los extractos mensuales.",
  "vat.percent": "IVA, en porcentaje",
  "vat.percentHint": "En los extractos de esta organización. Vacío: el tipo de los ajustes del servidor.",
};
