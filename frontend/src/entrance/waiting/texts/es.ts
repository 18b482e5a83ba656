/** Asking to join. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "ask.title": "¿Aún sin invitación?",
  "ask.text":
    "Es posible pedir unirse. La administración lee la lista y envía invitaciones; ahora no se crea ninguna cuenta.",
  "ask.name": "Nombre",
  "ask.email": "Correo electrónico",
  "ask.reason": "Motivo (opcional)",
  "ask.send": "Pedir unirse",
  "ask.received": "La solicitud se ha recibido. Si se acepta, llegará una invitación.",
};
