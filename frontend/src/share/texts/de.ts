import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "shared.title": "Geteilte Unterhaltung",
  "shared.opening": "Die geteilte Unterhaltung wird geöffnet…",
  "shared.on": "Geteilt am {date}",
  "shared.onBy": "Geteilt von {name} am {date}",
  "shared.until": "Der Link gilt bis {date}",
  "shared.copy": "Dies ist eine Kopie nur zum Lesen: Später Geschriebenes steht nicht darin.",
  "shared.ai": "Eine Maschine hat die Antworten geschrieben. Sie können falsch sein.",
  "shared.question": "Frage",
  "shared.answer": "Antwort",
  "shared.answerOf": "Antwort von {model}",
  "shared.cut": "Diese Antwort wurde nicht zu Ende geschrieben.",
  "shared.more": "Die folgenden Nachrichten anzeigen",
  "shared.continue": "In eigener Unterhaltung weiterführen",
  "shared.continuing": "Wird kopiert…",
  "shared.continueFailed": "Die Unterhaltung konnte nicht kopiert werden. Versuchen Sie es gleich noch einmal.",
  "shared.missing.title": "Hier wird nichts geteilt",
  "shared.missing.text":
    "Der Link wurde widerrufen, ist abgelaufen oder unvollständig. Bitten Sie die Person, die ihn geschickt hat, um einen neuen.",
  "shared.failed.title": "Die Unterhaltung kann jetzt nicht geöffnet werden",
  "shared.failed.text":
    "Der Server ist nicht erreichbar oder überlastet. Versuchen Sie es in einer Minute noch einmal.",
  "shared.tryAgain": "Noch einmal versuchen",
};
