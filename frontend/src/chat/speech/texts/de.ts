import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "speech.read": "Vorlesen",
  "speech.stop": "Vorlesen beenden",
  "speech.dictate": "Diktieren",
  "speech.stopDictating": "Diktat beenden",
  "speech.listening": "Hört zu. Nichts verlässt dieses Gerät.",
  "speech.failed": "Das Diktat endete: Das Mikrofon ist nicht nutzbar.",
};
