import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  title: "Tokens",
  lead: "Ein Modell liest keine Buchstaben und keine Wörter. Es liest Tokens: Textstücke, die es als Nummern kennt. Schreiben Sie etwas und sehen Sie, welche.",
  sample: "Der Aquilon ist der Nordwind: kalt, klar und stark. 🌬️",
  text: "Ihr Text",
  model: "Modell",
  count: "Tokens",
  perWord: "Tokens je Wort",
  price: "Preis zum Lesen",
  "price.none": "kein Preis festgelegt",
  noModel: "Kein Modell auf diesem Server kann einen Text in Tokens zerlegen: Alle antworten von anderswo.",
  "languages.title": "Dasselbe in fünf Sprachen",
  "languages.lead": "Ein Vokabular aus vorwiegend englischen Texten zerlegt andere Sprachen in mehr Stücke.",
  "languages.sentence": "Satz",
  "languages.own": "Ihr eigener",
  "languages.tokens": "Tokens: {count}",
  "languages.why":
    "Mehr Tokens bedeuten einen höheren Preis, eine langsamere Antwort und einen früher vollen Kontext. Ändern Sie jeden der Sätze.",
};
