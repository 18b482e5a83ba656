/** Dictation and reading aloud. */
export const texts = {
  "speech.read": "Read aloud",
  "speech.stop": "Stop reading",
  "speech.dictate": "Dictate",
  "speech.stopDictating": "Stop dictating",
  "speech.listening": "Listening. Nothing leaves this device.",
  "speech.failed": "Dictation ended: the microphone can’t be used.",
  "speech.load": "Dictate: the browser loads this language first, onto this device",
  "speech.loading": "The browser is loading the language, onto this device.",
  "speech.missing": "The browser could not load this language: dictation doesn’t work here.",
};
