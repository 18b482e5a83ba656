/** The interface's language, and the texts in it. A template that calls `t` follows a change of language. */
import { preferences } from "../preferences.svelte";
import type { texts } from "./texts/en";

export type MessageKey = keyof typeof texts;

export type Language = "en" | "fr" | "de" | "es" | "it";

/** Each language by its own name. */
export const LANGUAGES: Record<Language, string> = {
  en: "English",
  fr: "Français",
  de: "Deutsch",
  es: "Español",
  it: "Italiano",
};

export function isLanguage(code: string): code is Language {
  return code in LANGUAGES;
}

type Loaders<Texts> = Record<Language, () => Promise<{ texts: Texts }>>;
/** What is filled in. A number is written in the page's language, and chooses the plural. */
export type Values = Record<string, string | number>;

/** What loads the texts of each part of the pages that has been imported, and returns what shows them. */
const parts = new Set<(wanted: Language) => Promise<() => void>>();

/**
 * The texts of one part of the pages, such as a dialog, one language loaded at a time; returns its `t`.
 *
 * Each language is a module beside it, `texts/fr.ts`, that exports `texts`. They are loaded by `loadTexts`, which the page
 * awaits before it mounts the part, and again when the language changes.
 */
export function catalogue<Key extends string>(
  loaders: Loaders<Record<Key, string>>,
): (key: Key, values?: Values) => string {
  let shown = $state.raw<{ language: Language; texts: Record<Key, string> } | null>(null);
  parts.add(async (wanted) => {
    if (shown?.language === wanted) return () => undefined;
    const { texts } = await loaders[wanted]();
    return () => (shown = { language: wanted, texts });
  });
  return (key, values = {}) => (shown === null ? "" : fill(shown.texts[key] ?? "", values, shown.language));
}

/** Loads the texts of all parts that have been imported, in the page's language or a wanted one; all show together. */
export async function loadTexts(wanted: Language = language()): Promise<void> {
  for (const show of await Promise.all([...parts].map((load) => load(wanted)))) show();
}

/** Shows the page in another language, once its texts are here. */
export async function changeLanguage(chosen: Language): Promise<void> {
  await loadTexts(chosen);
  preferences.language = chosen;
  preferences.save();
}

/** The first of the wanted languages (as in `navigator.languages`) that there is, else English. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const code = tag.toLowerCase().split("-")[0] ?? "";
    if (isLanguage(code)) return code;
  }
  return "en";
}

export function language(): Language {
  const chosen = preferences.language;
  return chosen !== null && isLanguage(chosen) ? chosen : preferredLanguage(navigator.languages);
}

/** The page's language as the browser's own country writes it, where the browser has it: for times and amounts. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.split("-")[0] === language()) ?? language();
}

/** The texts that every page needs: the bar, the menu, what can go wrong. */
export const t = catalogue<MessageKey>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

const PLURAL = /\{(\w+), plural, ((?:\w+ \{(?:[^{}]|\{\w+\})*\} ?)+)\}/g;
const FORM = /(\w+) \{((?:[^{}]|\{\w+\})*)\}/g;

const ISOLATE = String.fromCharCode(0x2068);
const END_OF_ISOLATE = String.fromCharCode(0x2069);

/** A name from right to left, between marks that keep it from turning the sentence around. */
function isolated(value: string): string {
  return /[\p{Script=Hebrew}\p{Script=Arabic}]/u.test(value) ? `${ISOLATE}${value}${END_OF_ISOLATE}` : value;
}

/**
 * The text with its `{names}` filled in, and of `{count, plural, one {# token} other {# tokens}}` the form that the
 * language has for the number, which stands for `#`.
 */
export function fill(text: string, values: Values, language: Language): string {
  const written = (value: string | number) =>
    typeof value === "number" ? new Intl.NumberFormat(language).format(value) : isolated(value);
  return text
    .replace(PLURAL, (mark, name: string, forms: string) => {
      const count = values[name];
      if (typeof count !== "number") return mark;
      const form = new Map(Array.from(forms.matchAll(FORM), ([, category, words]) => [category!, words!]));
      const words = form.get(new Intl.PluralRules(language).select(count)) ?? form.get("other") ?? mark;
      return words.replaceAll("#", written(count));
    })
    .replace(/\{(\w+)\}/g, (mark, name: string) => (name in values ? written(values[name]!) : mark));
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** 135 000 000 → "135 million", in the language's own words. */
export function largeNumber(value: number): string {
  return new Intl.NumberFormat(language(), {
    notation: "compact",
    compactDisplay: "long",
    maximumSignificantDigits: 3,
  }).format(value);
}

export function bytes(value: number): string {
  if (value < 1000) {
    return new Intl.NumberFormat(language(), { style: "unit", unit: "byte", unitDisplay: "long" }).format(value);
  }
  const units = ["kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
  const step = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3) - 1);
  return new Intl.NumberFormat(language(), {
    style: "unit",
    unit: units[step]!,
    maximumSignificantDigits: 3,
  }).format(value / 1000 ** (step + 1));
}

/** ["en", "fr"] → "English and French". */
export function languageNames(codes: readonly string[]): string {
  const names = new Intl.DisplayNames([language()], { type: "language" });
  const known = codes.flatMap((code) => {
    try {
      return [names.of(code) ?? code];
    } catch {
      return [code]; // not a language tag: shown as it came
    }
  });
  return new Intl.ListFormat(language(), { type: "conjunction" }).format(known);
}
