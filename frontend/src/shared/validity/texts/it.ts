import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "validity.missing": "Questo campo va compilato.",
  "validity.choose": "Va scelta una possibilità.",
  "validity.tick": "Questa casella va spuntata per continuare.",
  "validity.short": "Almeno {least, plural, one {# carattere} many {# di caratteri} other {# caratteri}}.",
  "validity.long": "Al massimo {most, plural, one {# carattere} many {# di caratteri} other {# caratteri}}.",
  "validity.least": "Almeno {least}.",
  "validity.most": "Al massimo {most}.",
  "validity.number": "Va scritto un numero.",
  "validity.whole": "Va scritto un numero intero.",
  "validity.date": "Va scritta una data completa.",
  "validity.email": "Un indirizzo e-mail si scrive come nome@example.org.",
  "validity.url": "Un indirizzo si scrive come https://example.org.",
  "validity.form": "Questo non ha la forma richiesta.",
};
