import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "shared.title": "Conversación compartida",
  "shared.opening": "Abriendo la conversación compartida…",
  "shared.on": "Compartida el {date}",
  "shared.onBy": "Compartida por {name} el {date}",
  "shared.until": "El enlace vale hasta el {date}",
  "shared.copy": "Es una copia de solo lectura: lo escrito después no aparece en ella.",
  "shared.ai": "Una máquina ha escrito las respuestas. Pueden ser erróneas.",
  "shared.question": "Pregunta",
  "shared.answer": "Respuesta",
  "shared.answerOf": "Respuesta de {model}",
  "shared.cut": "Esta respuesta no se escribió hasta el final.",
  "shared.more": "Mostrar los mensajes siguientes",
  "shared.continue": "Continuar en una conversación propia",
  "shared.continuing": "Copiando…",
  "shared.continueFailed": "No se ha podido copiar la conversación. Conviene volver a intentarlo en un momento.",
  "shared.missing.title": "Aquí no hay nada compartido",
  "shared.missing.text": "El enlace se ha revocado, ha caducado o está incompleto. Quien lo envió puede crear otro.",
  "shared.failed.title": "La conversación no se puede abrir ahora",
  "shared.failed.text": "No se puede acceder al servidor o está saturado. Conviene volver a intentarlo en un minuto.",
  "shared.tryAgain": "Reintentar",
};
