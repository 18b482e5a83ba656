import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "offline.title": "Sie sind offline",
  "offline.text":
    "Was Sie schreiben, bleibt hier. Eine Nachricht kann warten: Sie wird gesendet, sobald die Verbindung wieder da ist.",
  "offline.draft": "Ihre Nachricht",
  "offline.wait": "Senden, sobald ich verbunden bin",
  "offline.waits": "Wartet auf die Verbindung",
  "offline.back": "Zurücknehmen",
  "offline.one": "Eine Nachricht wartet bereits. Nehmen Sie sie zurück, oder warten Sie auf die Verbindung.",
  "offline.notice": "Sie sind offline. Ihre Nachricht wartet und wird gesendet, sobald die Verbindung wieder da ist.",
  "offline.sentLater": "Sie sind offline. Eine Nachricht kann auf die Verbindung warten.",
  "offline.new": "Eine neue Version dieser Seite ist da.",
  "offline.reload": "Neu laden",
};
