import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  title: "Token",
  lead: "Un modello non legge né lettere né parole. Legge token: pezzi di testo che conosce per numero. Basta scrivere qualcosa per vedere quali.",
  sample: "L’aquilone è il vento del nord: freddo, chiaro e forte. 🌬️",
  text: "Testo",
  model: "Modello",
  count: "Token",
  perWord: "Token per parola",
  price: "Prezzo di lettura",
  "price.none": "nessun prezzo fissato",
  noModel: "Nessun modello di questo server può dividere un testo in token: tutti rispondono da altrove.",
  "languages.title": "Lo stesso in cinque lingue",
  "languages.lead": "Un vocabolario ricavato soprattutto da testi inglesi divide le altre lingue in più pezzi.",
  "languages.sentence": "Frase",
  "languages.own": "Testo proprio",
  "languages.tokens": "Token: {count}",
  "languages.why":
    "Più token significano un prezzo più alto, una risposta più lenta e un contesto che si riempie prima. Tutte le frasi si possono cambiare.",
};
