/** The texts of signing in, for those who are not: most are, and load none of them. */
import { catalogue } from "../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

export type SignInKey = keyof typeof texts;

export const s = catalogue<SignInKey>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});
