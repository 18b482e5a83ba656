import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "upload.drop": "Dateien hier ablegen oder",
  "upload.choose": "Dateien wählen",
  "upload.purpose": "Zweck",
  "upload.batch": "Batch: eine Anfrage pro Zeile, als JSON",
  "upload.user_data": "Dokument, für Bibliotheken und Fragen",
  "upload.ofMe": "Nur für mich",
  "upload.progress": "{name} wird hochgeladen",
  "upload.stop": "Anhalten",
  "upload.done": "{name} ist hochgeladen.",
  "upload.fine-tune": "Beispiele zur Feinabstimmung eines Modells",
};
