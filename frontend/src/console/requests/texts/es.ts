import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "log.intro":
    "Las últimas solicitudes de todas las personas a los modelos: solo cifras, nunca lo que se preguntó o respondió. Las solicitudes rechazadas antes de llegar a un modelo no figuran aquí.",
  "log.introOwn":
    "Las últimas solicitudes propias a los modelos: solo cifras, nunca lo que se preguntó o respondió. Las solicitudes rechazadas antes de llegar a un modelo no figuran aquí.",
  "log.outcome": "Final",
  "log.all": "Todas",
  "log.completed": "completada",
  "log.cancelled": "cancelada",
  "log.failed": "fallida",
  "log.refused": "rechazada",
  "log.days": "Días",
  "log.model": "Modelo",
  "log.everyModel": "Todos los modelos",
  "log.time": "Hora",
  "log.who": "Persona y clave",
  "log.session": "sesión",
  "log.tokens": "Tokens leídos, escritos",
  "log.cost": "Coste",
  "log.first": "primero a los {time}",
  "log.duration": "Duración",
  "log.batch": "lote",
  "log.older": "Solicitudes anteriores",
  "log.empty.title": "No hay ninguna solicitud",
  "log.empty.text": "En este periodo no se ha pedido nada que encaje con los filtros.",
};
