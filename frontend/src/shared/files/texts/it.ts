import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "file.choose": "Scegli un file",
  "file.none": "Nessun file scelto",
};
