import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "nav.explore": "Erkunden",
  "nav.skip": "Zum Inhalt springen",
  "nav.home": "Aquilon, alle Seiten zum Erkunden",
  "nav.pages": "Seiten zum Erkunden",
  "nav.tokens": "Tokens",
  "nav.inside": "Hineinsehen",
  "nav.compare": "Vergleichen",
  "nav.tour": "Rundgang",
  off: "Ihre Organisation hat das für Sie abgeschaltet: Ein Administrator kann es einschalten.",
  "home.title": "Was ist ein Sprachmodell?",
  "home.lead": "Sehen Sie einem bei der Arbeit zu. Jede Zahl hier kommt vom Modell auf diesem Server.",
  "home.tokens": "Sehen, wie ein Satz zu Tokens wird und was er in fünf Sprachen kostet.",
  "home.inside": "Sehen, wie sicher sich das Modell bei jedem Token ist und was es sonst gesagt hätte.",
  "home.compare": "Zwei Antworten nebeneinander, ohne Namen. Welche ist besser?",
  "home.tour": "Zehn Minuten, sechs Experimente, ein kleines Quiz. Der beste Anfang.",
};
