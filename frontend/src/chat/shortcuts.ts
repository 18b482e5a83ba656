/** The page's keyboard shortcuts: what handles a key and the sheet that lists them both read this. */
import { language, t, type Language } from "../i18n/catalogue.svelte";
import { t as sideT } from "./sidebar/texts";
import { c } from "./texts";

export interface Shortcut {
  /** The ways to press it, each the keys that are pressed together; `Ctrl` is shown as ⌘ on a Mac. */
  keys: readonly (readonly string[])[];
  name: () => string;
  pressed: (event: KeyboardEvent) => boolean;
}

const control = (event: KeyboardEvent) => (event.ctrlKey || event.metaKey) && !event.altKey;
const plain = (event: KeyboardEvent) => !event.ctrlKey && !event.metaKey && !event.altKey;
const key = (name: string) => (event: KeyboardEvent) => plain(event) && !event.shiftKey && event.key === name;
/** A sign that some keyboards reach with Shift. */
const sign = (name: string) => (event: KeyboardEvent) => plain(event) && event.key === name;

export const SHORTCUTS = {
  send: { keys: [["Enter"]], name: () => t("shortcuts.send"), pressed: key("Enter") },
  queue: { keys: [["Enter"]], name: () => c("talk.shortcut.queue"), pressed: key("Enter") },
  newLine: {
    keys: [["Shift", "Enter"]],
    name: () => t("shortcuts.newLine"),
    pressed: (event) => plain(event) && event.shiftKey && event.key === "Enter",
  },
  stop: { keys: [["Esc"]], name: () => t("shortcuts.stop"), pressed: key("Escape") },
  versions: {
    keys: [["←"], ["→"]],
    name: () => c("talk.shortcut.walk"),
    pressed: (event) => plain(event) && (event.key === "ArrowLeft" || event.key === "ArrowRight"),
  },
  edit: { keys: [["↑"]], name: () => t("shortcuts.edit"), pressed: key("ArrowUp") },
  new: {
    keys: [["Alt", "N"]],
    name: () => t("shortcuts.new"),
    pressed: (event) => event.altKey && !event.ctrlKey && !event.metaKey && event.code === "KeyN",
  },
  focus: { keys: [["/"]], name: () => t("shortcuts.focus"), pressed: sign("/") },
  palette: {
    keys: [["Ctrl", "K"]],
    name: () => sideT("side.palette"),
    pressed: (event) => control(event) && !event.shiftKey && event.key.toLowerCase() === "k",
  },
  side: {
    keys: [["Alt", "B"]],
    name: () => sideT("shortcut.side"),
    pressed: (event) => event.altKey && !event.ctrlKey && !event.metaKey && event.code === "KeyB",
  },
  walk: {
    keys: [["↑"], ["↓"]],
    name: () => sideT("shortcut.walk"),
    pressed: (event) => plain(event) && (event.key === "ArrowUp" || event.key === "ArrowDown"),
  },
  rename: { keys: [["F2"]], name: () => sideT("shortcut.rename"), pressed: key("F2") },
  delete: { keys: [["Del"]], name: () => sideT("shortcut.delete"), pressed: key("Delete") },
  show: {
    keys: [["Ctrl", "/"]],
    name: () => t("shortcuts.show"),
    pressed: (event) => control(event) && event.key === "/",
  },
  showBySign: { keys: [["?"]], name: () => t("shortcuts.show"), pressed: sign("?") },
} as const satisfies Record<string, Shortcut>;

/** What is printed on the keys where it isn't the English name. */
const ON_KEYS: Partial<Record<Language, Record<string, string>>> = {
  fr: { Enter: "Entrée", Shift: "Maj", Esc: "Échap", Del: "Suppr" },
  de: { Enter: "Eingabe", Shift: "Umschalt", Ctrl: "Strg", Del: "Entf" },
  es: { Enter: "Intro", Shift: "Mayús", Del: "Supr" },
  it: { Enter: "Invio", Shift: "Maiusc", Del: "Canc" },
};

/** A key's name on this device, in the page's language. */
export function keyName(name: string): string {
  const signs: Record<string, string> = /Mac|iPhone|iPad/.test(navigator.platform) ? { Ctrl: "⌘", Alt: "⌥" } : {};
  return signs[name] ?? ON_KEYS[language()]?.[name] ?? name;
}
