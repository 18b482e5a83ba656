/** Around announcements, which have their own words. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "announcements.all": "Mostra tutti gli annunci ({count})",
  "announcements.dismiss": "Nascondi",
  "announcements.label": "Annunci",
};
