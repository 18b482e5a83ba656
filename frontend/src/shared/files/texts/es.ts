import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "file.choose": "Elegir un archivo",
  "file.none": "Ningún archivo elegido",
};
