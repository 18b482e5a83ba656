import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "menu.explore": "Explorer",
};
