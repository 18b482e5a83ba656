import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "picker.more": "Añadir modelos",
};
