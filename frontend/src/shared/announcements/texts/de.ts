/** Around announcements, which have their own words. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "announcements.all": "Alle Mitteilungen zeigen ({count})",
  "announcements.dismiss": "Ausblenden",
  "announcements.label": "Ankündigungen",
};
