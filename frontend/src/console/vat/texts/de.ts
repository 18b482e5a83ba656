import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "vat.number": "USt-IdNr.",
  "vat.numberHint": "Steht auf den monatlichen Abrechnungen.",
  "vat.percent": "Umsatzsteuer in Prozent",
  "vat.percentHint": "Auf den Abrechnungen dieser Organisation. Leer: der Satz der Servereinstellungen.",
};
