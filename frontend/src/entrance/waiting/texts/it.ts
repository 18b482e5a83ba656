/** Asking to join. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "ask.title": "Ancora senza invito?",
  "ask.text":
    "È possibile chiedere di partecipare. L’amministrazione legge la lista e invia gli inviti; ora non viene creato alcun account.",
  "ask.name": "Nome",
  "ask.email": "Indirizzo e-mail",
  "ask.reason": "Motivo (facoltativo)",
  "ask.send": "Chiedi di partecipare",
  "ask.received": "La richiesta è stata ricevuta. Se viene accolta, arriverà un invito.",
};
