/** Dictation and reading aloud. */
export const texts = {
  "speech.read": "Read aloud",
  "speech.stop": "Stop reading",
  "speech.dictate": "Dictate",
  "speech.stopDictating": "Stop dictating",
  "speech.listening": "Listening. Nothing leaves this device.",
  "speech.failed": "Dictation ended: the microphone can’t be used.",
};
