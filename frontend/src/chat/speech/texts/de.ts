import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "speech.read": "Vorlesen",
  "speech.stop": "Vorlesen beenden",
  "speech.dictate": "Diktieren",
  "speech.stopDictating": "Diktat beenden",
  "speech.listening": "Hört zu. Nichts verlässt dieses Gerät.",
  "speech.failed": "Das Diktat endete: Das Mikrofon ist nicht nutzbar.",
  "speech.load": "Diktieren: Der Browser lädt zuerst diese Sprache, auf dieses Gerät",
  "speech.loading": "Der Browser lädt die Sprache, auf dieses Gerät.",
  "speech.missing": "Der Browser konnte diese Sprache nicht laden: Diktieren geht hier nicht.",
};
