import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "offline.title": "Connessione assente",
  "offline.text": "Ciò che si scrive resta qui. Un messaggio può attendere: parte quando torna la connessione.",
  "offline.draft": "Messaggio",
  "offline.wait": "Invia al ritorno della connessione",
  "offline.waits": "Attende la connessione",
  "offline.back": "Riprendi",
  "offline.one": "Un messaggio attende già. Si può riprendere, o attendere il ritorno della connessione.",
  "offline.notice": "Connessione assente. Il messaggio attende e parte quando torna la connessione.",
  "offline.sentLater": "Connessione assente. Un messaggio può attendere che torni.",
  "offline.new": "È disponibile una nuova versione di questa pagina.",
  "offline.reload": "Ricarica",
};
