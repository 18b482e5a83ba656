/** The texts beside it. */
import { catalogue } from "../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

export const say = catalogue<keyof typeof texts>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});
