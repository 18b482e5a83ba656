import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "log.intro":
    "Le ultime richieste di tutti ai modelli: solo cifre, mai ciò che è stato chiesto o risposto. Le richieste rifiutate prima di arrivare a un modello non sono qui.",
  "log.introOwn":
    "Le proprie ultime richieste ai modelli: solo cifre, mai ciò che è stato chiesto o risposto. Le richieste rifiutate prima di arrivare a un modello non sono qui.",
  "log.outcome": "Fine",
  "log.all": "Tutte",
  "log.completed": "completata",
  "log.cancelled": "interrotta",
  "log.failed": "fallita",
  "log.refused": "rifiutata",
  "log.days": "Giorni",
  "log.model": "Modello",
  "log.everyModel": "Tutti i modelli",
  "log.time": "Ora",
  "log.who": "Persona e chiave",
  "log.session": "sessione",
  "log.tokens": "Token letti, scritti",
  "log.cost": "Costo",
  "log.first": "primo dopo {time}",
  "log.duration": "Durata",
  "log.batch": "batch",
  "log.older": "Richieste precedenti",
  "log.empty.title": "Nessuna richiesta",
  "log.empty.text": "In questo periodo non è stato chiesto nulla che corrisponda ai filtri.",
};
