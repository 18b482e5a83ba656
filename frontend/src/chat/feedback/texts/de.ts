import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "feedback.up": "Gute Antwort",
  "feedback.down": "Schlechte Antwort",
  "feedback.title": "Wie war sie?",
  "feedback.reason": "Grund",
  "feedback.reason.accurate": "Richtig",
  "feedback.reason.helpful": "Hilfreich",
  "feedback.reason.well_written": "Gut geschrieben",
  "feedback.reason.inaccurate": "Falsch",
  "feedback.reason.unhelpful": "Nicht hilfreich",
  "feedback.reason.instructions_ignored": "Tat nicht, was verlangt war",
  "feedback.reason.wrong_language": "Falsche Sprache",
  "feedback.reason.unsafe": "Schädlich",
  "feedback.reason.other": "Etwas anderes",
  "feedback.comment": "In Ihren Worten (optional)",
  "feedback.consent": "Meine Frage und die Antworten darauf dürfen zum Training von Modellen dienen",
  "feedback.send": "Senden",
  "feedback.withdraw": "Zurücknehmen",
  "feedback.thanks": "Danke. Das ist notiert.",
  "feedback.failed": "Das konnte nicht notiert werden. Versuchen Sie es gleich noch einmal.",
};
