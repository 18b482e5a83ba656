/** What is left of a person's quota. */
import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "quota.spent.messages": "Von Ihrem Nachrichtenkontingent sind {left} von {limit} übrig.",
  "quota.spent.tokens": "Von Ihrem Token-Kontingent sind {left} von {limit} übrig: zu wenig für diese Frage.",
  "quota.spent.cost": "Der Rest Ihres Kostenkontingents reicht für diese Frage nicht.",
  "quota.messages": "Verbleibende Nachrichten: {left} von {limit}.",
  "quota.tokens": "Verbleibende Tokens: {left} von {limit}.",
  "quota.cost": "Verbleibendes Budget: {left} von {limit}.",
  "quota.again": "Beginnt neu um {time}.",
  "quota.againOn": "Beginnt neu am {time}.",
};
