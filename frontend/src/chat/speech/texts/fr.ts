import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "speech.read": "Lire à voix haute",
  "speech.stop": "Arrêter la lecture",
  "speech.dictate": "Dicter",
  "speech.stopDictating": "Arrêter la dictée",
  "speech.listening": "À l’écoute. Rien ne quitte cet appareil.",
  "speech.failed": "La dictée s’est arrêtée\u00a0: le micro est inutilisable.",
  "speech.load": "Dicter\u00a0: le navigateur chargera d’abord cette langue, sur cet appareil",
  "speech.loading": "Le navigateur charge la langue, sur cet appareil.",
  "speech.missing": "Le navigateur n’a pas pu charger cette langue\u00a0: la dictée ne marche pas ici.",
};
