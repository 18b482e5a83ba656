import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "upload.drop": "Déposez des fichiers ici, ou",
  "upload.choose": "choisissez-les",
  "upload.purpose": "Usage",
  "upload.batch": "lot\u00a0: une requête par ligne, en JSON",
  "upload.user_data": "document, pour bibliothèques et questions",
  "upload.ofMe": "Pour vous seulement",
  "upload.progress": "Envoi de {name}",
  "upload.stop": "Arrêter",
  "upload.done": "{name} est envoyé.",
  "upload.fine-tune": "exemples pour affiner un modèle",
};
