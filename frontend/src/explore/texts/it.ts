import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "nav.explore": "Esplora",
  "nav.skip": "Vai al contenuto",
  "nav.home": "Aquilon, tutte le pagine di esplorazione",
  "nav.pages": "Pagine di esplorazione",
  "nav.tokens": "Token",
  "nav.inside": "Dentro",
  "nav.compare": "Confronta",
  "nav.tour": "Visita",
  off: "L’organizzazione l’ha disattivato per questo account: un amministratore può attivarlo.",
  "home.title": "Che cos’è un modello linguistico?",
  "home.lead": "Osservarne uno al lavoro: ogni numero di queste pagine viene dal modello di questo server.",
  "home.tokens": "Vedere come una frase diventa token e quanto costa in cinque lingue.",
  "home.inside": "Vedere quanto il modello è sicuro di ogni token e che cosa avrebbe detto altrimenti.",
  "home.compare": "Due risposte affiancate, senza nomi. Qual è la migliore?",
  "home.tour": "Dieci minuti, sei esperimenti e un piccolo quiz. Il miglior punto di partenza.",
};
