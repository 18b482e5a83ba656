import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "room.full": "Qui entrano al massimo {most} caratteri: la fine di un testo più lungo viene tralasciata.",
};
