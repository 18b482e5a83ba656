import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "feedback.up": "Buena respuesta",
  "feedback.down": "Mala respuesta",
  "feedback.title": "¿Cómo ha sido?",
  "feedback.reason": "Motivo",
  "feedback.reason.accurate": "Correcta",
  "feedback.reason.helpful": "Útil",
  "feedback.reason.well_written": "Bien escrita",
  "feedback.reason.inaccurate": "Errónea",
  "feedback.reason.unhelpful": "Poco útil",
  "feedback.reason.instructions_ignored": "No hizo lo pedido",
  "feedback.reason.wrong_language": "Idioma equivocado",
  "feedback.reason.unsafe": "Dañina",
  "feedback.reason.other": "Otra cosa",
  "feedback.comment": "Con otras palabras (opcional)",
  "feedback.consent": "Mi pregunta y sus respuestas pueden usarse para entrenar modelos",
  "feedback.send": "Enviar",
  "feedback.withdraw": "Retirar",
  "feedback.thanks": "Gracias. Queda anotado.",
  "feedback.failed": "No se ha podido anotar. Conviene volver a intentarlo en un momento.",
};
