/** What is left of a person's quota. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "quota.spent.messages": "De la cuota de mensajes quedan {left} de {limit}.",
  "quota.spent.tokens": "De la cuota de tokens quedan {left} de {limit}: no bastan para esta pregunta.",
  "quota.spent.cost": "Lo que queda de la cuota de coste no basta para esta pregunta.",
  "quota.messages": "Mensajes restantes: {left} de {limit}.",
  "quota.tokens": "Tokens restantes: {left} de {limit}.",
  "quota.cost": "Presupuesto restante: {left} de {limit}.",
  "quota.again": "Se reinicia a las {time}.",
  "quota.againOn": "Se reinicia el {time}.",
};
