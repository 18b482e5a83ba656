/** What is left of a person's quota. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "quota.spent.messages": "Della quota di messaggi restano {left} di {limit}.",
  "quota.spent.tokens": "Della quota di token restano {left} di {limit}: troppo pochi per questa domanda.",
  "quota.spent.cost": "Ciò che resta della quota di costo non basta per questa domanda.",
  "quota.messages": "Messaggi rimasti: {left} di {limit}.",
  "quota.tokens": "Token rimasti: {left} di {limit}.",
  "quota.cost": "Budget rimasto: {left} di {limit}.",
  "quota.again": "Ricomincia alle {time}.",
  "quota.againOn": "Ricomincia il {time}.",
};
