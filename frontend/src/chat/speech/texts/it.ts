import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "speech.read": "Leggi ad alta voce",
  "speech.stop": "Interrompi la lettura",
  "speech.dictate": "Detta",
  "speech.stopDictating": "Interrompi la dettatura",
  "speech.listening": "In ascolto. Nulla lascia questo dispositivo.",
  "speech.failed": "La dettatura è finita: il microfono non è utilizzabile.",
  "speech.load": "Dettare: il browser carica prima questa lingua, su questo dispositivo",
  "speech.loading": "Il browser sta caricando la lingua, su questo dispositivo.",
  "speech.missing": "Il browser non ha potuto caricare questa lingua: la dettatura qui non funziona.",
};
