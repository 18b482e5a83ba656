/** The console's own texts, one language loaded at a time, beside those that it shares with the conversation. */
import { fill, language, type Language } from "../../i18n/catalogue.svelte";
import type { ConsoleKey, ConsoleTexts } from "./en";

export type { ConsoleKey };

export const LOADERS: Record<Language, () => Promise<ConsoleTexts>> = {
  en: async () => (await import("./en")).en,
  fr: async () => (await import("./fr")).fr,
  de: async () => (await import("./en")).en,
  es: async () => (await import("./en")).en,
  it: async () => (await import("./en")).en,
};

let texts = $state.raw<ConsoleTexts | null>(null);

/** Loads the texts of a language; those of the one before stay until they are here. */
export async function loadTexts(wanted: Language): Promise<void> {
  const loaded = await LOADERS[wanted]();
  if (wanted === language()) texts = loaded;
}

export function textsLoaded(): boolean {
  return texts !== null;
}

/** The text for a key in the current language, its `{names}` filled in. */
export function t(key: ConsoleKey, values: Record<string, string | number> = {}): string {
  return fill(texts?.[key] ?? "", values);
}
