/** What is left of a person's quota. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "quota.spent.messages": "De votre quota de messages, il reste {left} sur {limit}.",
  "quota.spent.tokens": "De votre quota de tokens, il reste {left} sur {limit}\u00a0: trop peu pour cette question.",
  "quota.spent.cost": "Ce qui reste de votre quota de coût ne suffit pas pour cette question.",
  "quota.messages": "Messages restants\u00a0: {left} sur {limit}.",
  "quota.tokens": "Tokens restants\u00a0: {left} sur {limit}.",
  "quota.cost": "Reste de votre budget\u00a0: {left} sur {limit}.",
  "quota.again": "Recommence à {time}.",
  "quota.againOn": "Recommence le {time}.",
};
