/** Around announcements, which have their own words. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "announcements.all": "Mostrar todos los avisos ({count})",
  "announcements.dismiss": "Ocultar",
  "announcements.label": "Anuncios",
};
