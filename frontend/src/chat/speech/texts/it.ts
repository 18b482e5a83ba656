import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "speech.read": "Leggi ad alta voce",
  "speech.stop": "Interrompi la lettura",
  "speech.dictate": "Detta",
  "speech.stopDictating": "Interrompi la dettatura",
  "speech.listening": "In ascolto. Nulla lascia questo dispositivo.",
  "speech.failed": "La dettatura è finita: il microfono non è utilizzabile.",
};
