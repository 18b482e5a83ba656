import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "room.full": "Hier passen höchstens {most} Zeichen hinein: Das Ende eines längeren Textes fehlt.",
};
