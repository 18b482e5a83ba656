/** An audit entry's type in words, and the kind of thing that it concerns; as the server has it where it is new. */
import { catalogue } from "../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

type Key = keyof typeof texts;

const t = catalogue<Key>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

export function changeName(type: string): string {
  return t(`did.${type}` as Key) || type;
}

export function kindName(kind: string): string {
  return t(`did.kind.${kind}` as Key) || kind;
}

/** A field or a value of an entry's detail; empty where it has no words. */
export function word(key: string): string {
  return t(key as Key);
}
