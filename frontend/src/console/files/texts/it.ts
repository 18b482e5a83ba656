import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "upload.drop": "Trascinare qui i file, oppure",
  "upload.choose": "sceglierli",
  "upload.purpose": "Scopo",
  "upload.batch": "batch: una richiesta per riga, in JSON",
  "upload.user_data": "documento, per raccolte e domande",
  "upload.ofMe": "Solo per me",
  "upload.progress": "Caricamento di {name}",
  "upload.stop": "Ferma",
  "upload.done": "{name} è caricato.",
  "upload.fine-tune": "esempi per affinare un modello",
};
