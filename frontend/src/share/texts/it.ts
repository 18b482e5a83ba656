import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "shared.title": "Conversazione condivisa",
  "shared.opening": "Apertura della conversazione condivisa…",
  "shared.on": "Condivisa il {date}",
  "shared.onBy": "Condivisa da {name} il {date}",
  "shared.until": "Il link vale fino al {date}",
  "shared.copy": "È una copia di sola lettura: ciò che è stato scritto dopo non vi compare.",
  "shared.ai": "Una macchina ha scritto le risposte. Possono essere sbagliate.",
  "shared.question": "Domanda",
  "shared.answer": "Risposta",
  "shared.answerOf": "Risposta di {model}",
  "shared.cut": "Questa risposta non è stata scritta fino in fondo.",
  "shared.more": "Mostra i messaggi seguenti",
  "shared.continue": "Continua in una propria conversazione",
  "shared.continuing": "Copia in corso…",
  "shared.continueFailed": "Non è stato possibile copiare la conversazione. Si può riprovare tra poco.",
  "shared.missing.title": "Qui non c’è nulla di condiviso",
  "shared.missing.text": "Il link è stato revocato, è scaduto o è incompleto. Chi lo ha inviato può crearne un altro.",
  "shared.failed.title": "La conversazione non può essere aperta ora",
  "shared.failed.text": "Il server non è raggiungibile o è sovraccarico. Si può riprovare tra un minuto.",
  "shared.tryAgain": "Riprova",
};
