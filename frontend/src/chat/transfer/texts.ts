/** The texts of exports and imports. */
import { catalogue, language } from "../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

export const t = catalogue<keyof typeof texts>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

/** How many conversations were imported, in words. */
export function importedText(count: number): string {
  const one = new Intl.PluralRules(language()).select(count) === "one";
  return t(one ? "import.one" : "import.many", { count });
}

/** How many were skipped. */
export function skippedText(count: number): string {
  const one = new Intl.PluralRules(language()).select(count) === "one";
  return t(one ? "import.skippedOne" : "import.skippedMany", { count });
}
