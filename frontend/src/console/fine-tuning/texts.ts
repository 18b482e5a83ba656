/** The texts of fine-tuning jobs. */
import { catalogue, type Values } from "../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

export const t = catalogue<keyof typeof texts>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

/** What an event says, by its code and figures; empty for a code that is unknown here. */
export function said(data: Record<string, unknown> | null): string {
  const known = `tuning.event.${String(data?.code)}` as Parameters<typeof t>[0];
  return t(known, (data ?? {}) as Values);
}

/** Why a job failed, in a sentence; its events have the server's own words, with lines and figures. */
export function problem(code: string): string {
  return knownProblem(code) || t("tuning.problem");
}

/** The same, but empty for a code that is unknown here. */
export function knownProblem(code: string): string {
  return t(`tuning.problem.${code}` as Parameters<typeof t>[0]);
}
