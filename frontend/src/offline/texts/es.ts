import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "offline.title": "Sin conexión",
  "offline.text": "Lo que se escribe queda aquí. Un mensaje puede esperar: se envía cuando vuelve la conexión.",
  "offline.draft": "Mensaje",
  "offline.wait": "Enviar al volver la conexión",
  "offline.waits": "Espera la conexión",
  "offline.back": "Recuperar",
  "offline.one": "Ya espera un mensaje. Se puede recuperar, o esperar a que vuelva la conexión.",
  "offline.notice": "Sin conexión. El mensaje espera y se envía cuando vuelve la conexión.",
  "offline.sentLater": "Sin conexión. Un mensaje puede esperar a que vuelva.",
  "offline.new": "Hay una nueva versión de esta página.",
  "offline.reload": "Recargar",
};
