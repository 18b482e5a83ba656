import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "feedback.up": "Buona risposta",
  "feedback.down": "Cattiva risposta",
  "feedback.title": "Com’era?",
  "feedback.reason": "Motivo",
  "feedback.reason.accurate": "Corretta",
  "feedback.reason.helpful": "Utile",
  "feedback.reason.well_written": "Ben scritta",
  "feedback.reason.inaccurate": "Sbagliata",
  "feedback.reason.unhelpful": "Poco utile",
  "feedback.reason.instructions_ignored": "Non ha fatto quanto richiesto",
  "feedback.reason.wrong_language": "Lingua sbagliata",
  "feedback.reason.unsafe": "Dannosa",
  "feedback.reason.other": "Altro",
  "feedback.comment": "A parole (facoltativo)",
  "feedback.consent": "La mia domanda e le sue risposte possono servire ad addestrare modelli",
  "feedback.send": "Invia",
  "feedback.withdraw": "Ritira",
  "feedback.thanks": "Grazie. È stato annotato.",
  "feedback.failed": "Non è stato possibile annotarlo. Si può riprovare tra poco.",
};
