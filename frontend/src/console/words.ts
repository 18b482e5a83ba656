/** Times and amounts as people read them, in the page's language. */
import { language, locale, number } from "../i18n/catalogue.svelte";
import { t } from "./i18n/catalogue.svelte";

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

export function dateTime(seconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

export function date(seconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(seconds * 1000);
}

export function clock(seconds: number): string {
  return new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }).format(seconds * 1000);
}

const BROWSERS = [
  ["Edge", /\bEdg(e|A|iOS)?\//],
  ["Opera", /\bOPR\//],
  ["Firefox", /\b(Firefox|FxiOS)\//],
  ["Chrome", /\b(Chrome|HeadlessChrome|CriOS)\//],
  ["Safari", /\bSafari\//],
] as const;
const SYSTEMS = [
  ["Android", /\bAndroid\b/],
  ["iOS", /\b(iPhone|iPad)\b/],
  ["macOS", /\bMac OS X\b/],
  ["Windows", /\bWindows\b/],
  ["Linux", /\bLinux\b/],
] as const;

/** "Firefox, Linux" out of what a browser calls itself; all of it where nothing is known in it. */
export function browserName(agent: string): string {
  const names = [BROWSERS, SYSTEMS].map((known) => known.find(([, sign]) => sign.test(agent))?.[0]);
  return names.filter((name) => name !== undefined).join(", ") || agent;
}

/** A moment as an input of type datetime-local has it. */
export function localMoment(seconds: number): string {
  const shifted = new Date(seconds * 1000 - new Date(seconds * 1000).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** What such an input says, in seconds. */
export function secondsOf(moment: string): number {
  return Math.floor(Date.parse(moment) / 1000);
}

/** What an input of type date or datetime-local has: "2027-01-01" → "vendredi 1 janvier 2027". */
export function inFull(value: string): string {
  const style: Intl.DateTimeFormatOptions = value.includes("T")
    ? { dateStyle: "full", timeStyle: "short" }
    : { dateStyle: "full", timeZone: "UTC" };
  return new Intl.DateTimeFormat(locale(), style).format(Date.parse(value));
}

/** A day of the server's, which are UTC's. */
export function utcDay(seconds: number, style: "short" | "long" = "long"): string {
  const options: Intl.DateTimeFormatOptions =
    style === "short" ? { day: "numeric", month: "short" } : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC" }).format(seconds * 1000);
}

/** "3 hours ago", "in 2 days". */
export function relative(seconds: number, now = Date.now() / 1000): string {
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  const gone = seconds - now;
  for (const [unit, length] of STEPS) {
    if (Math.abs(gone) >= length) return words.format(Math.trunc(gone / length), unit);
  }
  return words.format(Math.trunc(Math.min(0, gone) / 60), "minute");
}

/** 12,345; from a million on "12.3M", for those who look at the size alone. */
export function compact(value: number): string {
  if (value < 1_000_000) return number(value);
  return new Intl.NumberFormat(language(), { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

/**
 * Millionths of a cent as an amount of the currency; what is less than a cent keeps two digits that say something.
 * The currency is undefined until it is read, and null where it can't be: which the amount then says.
 */
export function money(microcents: number, currency: string | null | undefined): string {
  const value = microcents / 1e8;
  const small = value !== 0 && Math.abs(value) < 0.01;
  const amount = new Intl.NumberFormat(locale(), {
    ...(currency == null ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { style: "currency", currency }),
    ...(small ? { minimumSignificantDigits: 2, maximumSignificantDigits: 2 } : {}),
  }).format(value);
  return currency === null ? t("amount.currencyUnknown", { amount }) : amount;
}

/** Whole cents as an amount of the currency. */
export function cents(value: number, currency: string): string {
  return new Intl.NumberFormat(locale(), { style: "currency", currency }).format(value / 100);
}

/** An amount as a person writes it, "12.50" or "12,50", in millionths of a cent. */
export function amount(text: string): number {
  return Math.round(Number(text.trim().replace(",", ".")) * 1e8);
}

/** Millionths of a cent as a person would write them into such a field: "12.5". */
export function amountText(microcents: number): string {
  return String(microcents / 1e8);
}

/** In the order of the page's language: Émile before Zoë, admin before Bruno. */
export function byName<Named extends { name: string }>(all: readonly Named[]): Named[] {
  const collator = new Intl.Collator(language(), { numeric: true });
  return [...all].sort((one, other) => collator.compare(one.name, other.name));
}

/** "2026-11" → "November 2026". */
export function monthName(month: string): string {
  const first = new Date(`${month}-01T00:00:00Z`);
  return new Intl.DateTimeFormat(locale(), { month: "long", year: "numeric", timeZone: "UTC" }).format(first);
}

export { number };

const REGIONS: Readonly<Record<string, string>> = {
  China: "CN",
  "European Union": "EU",
  France: "FR",
  Spain: "ES",
  "United States": "US",
};

/** "France and United States", as the server has it → "Francia y Estados Unidos"; an unknown country stays as it is. */
export function countryNames(english: string): string {
  const names = new Intl.DisplayNames([language()], { type: "region" });
  const said = english.split(" and ").map((name) => {
    const region = REGIONS[name];
    return region === undefined ? name : (names.of(region) ?? name);
  });
  return new Intl.ListFormat(language(), { type: "conjunction" }).format(said);
}
