import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "file.choose": "Choisir un fichier",
  "file.none": "Aucun fichier choisi",
};
