/** The console's own texts, beside those that it shares with the conversation. */
import { catalogue } from "../../i18n/catalogue.svelte";
import type { texts } from "../texts/en";

export type ConsoleKey = keyof typeof texts;

export const t = catalogue<ConsoleKey>({
  en: () => import("../texts/en"),
  fr: () => import("../texts/fr"),
  de: () => import("../texts/de"),
  es: () => import("../texts/es"),
  it: () => import("../texts/it"),
});
