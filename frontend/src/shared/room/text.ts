import { catalogue } from "../../i18n/catalogue.svelte";

export const t = catalogue({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});
