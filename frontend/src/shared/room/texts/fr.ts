import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "room.full":
    "Il y a place ici pour {most} caractères au plus\u00a0: la fin d’un texte plus long est laissée de côté.",
};
