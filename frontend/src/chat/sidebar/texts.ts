/** The texts of the side list, of projects and of the command palette. */
import { catalogue, language } from "../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

export const t = catalogue<keyof typeof texts>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

/** How many hits a search has, in words. */
export function hits(count: number): string {
  const one = new Intl.PluralRules(language()).select(count) === "one";
  return t(one ? "search.one" : "search.many", { count });
}
