import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "log.intro":
    "Die letzten Anfragen aller an Modelle: nur Zahlen, nie was gefragt oder geantwortet wurde. Anfragen, die abgelehnt wurden, bevor ein Modell gefragt war, stehen nicht hier.",
  "log.introOwn":
    "Ihre letzten Anfragen an Modelle: nur Zahlen, nie was gefragt oder geantwortet wurde. Anfragen, die abgelehnt wurden, bevor ein Modell gefragt war, stehen nicht hier.",
  "log.outcome": "Ende",
  "log.all": "Alle",
  "log.completed": "vollständig",
  "log.cancelled": "abgebrochen",
  "log.failed": "fehlgeschlagen",
  "log.refused": "abgelehnt",
  "log.days": "Tage",
  "log.model": "Modell",
  "log.everyModel": "Alle Modelle",
  "log.time": "Zeit",
  "log.who": "Person und Schlüssel",
  "log.session": "angemeldet",
  "log.tokens": "Tokens ein, aus",
  "log.cost": "Kosten",
  "log.first": "erstes nach {time}",
  "log.duration": "Dauer",
  "log.batch": "Batch",
  "log.older": "Ältere Anfragen",
  "log.empty.title": "Hier ist keine Anfrage",
  "log.empty.text": "In dieser Zeit wurde nichts gefragt, das zu den Filtern passt.",
};
