/** Asking to join. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "ask.title": "Noch nicht eingeladen?",
  "ask.text":
    "Bitten Sie um Aufnahme. Die Administration liest die Liste und verschickt Einladungen; ein Konto entsteht jetzt noch nicht.",
  "ask.name": "Ihr Name",
  "ask.email": "E-Mail-Adresse",
  "ask.reason": "Warum Sie dabei sein möchten (optional)",
  "ask.send": "Um Aufnahme bitten",
  "ask.received": "Ihre Anfrage ist angekommen. Wird sie angenommen, erhalten Sie eine Einladung.",
};
