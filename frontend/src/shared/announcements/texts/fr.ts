/** Around announcements, which have their own words. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "announcements.all": "Afficher toutes les annonces ({count})",
  "announcements.dismiss": "Masquer",
  "announcements.label": "Annonces",
};
