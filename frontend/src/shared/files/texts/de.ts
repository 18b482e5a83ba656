import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "file.choose": "Datei wählen",
  "file.none": "Keine Datei gewählt",
};
