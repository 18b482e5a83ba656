/** What is wrong with a field of a form, in the page's language: a browser says it in its own. */
import { catalogue, number } from "../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

const say = catalogue<keyof typeof texts>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

function remarkOn(control: Control): string {
  const { validity } = control;
  if (control instanceof HTMLSelectElement) return say("validity.choose");
  if (validity.valueMissing && control.type === "checkbox") return say("validity.tick");
  if (validity.valueMissing) return say(control.type === "radio" ? "validity.choose" : "validity.missing");
  if (validity.tooShort) return say("validity.short", { least: control.minLength });
  if (validity.tooLong) return say("validity.long", { most: control.maxLength });
  if (control instanceof HTMLTextAreaElement) return say("validity.form");
  if (validity.rangeUnderflow) return say("validity.least", { least: bound(control.min) });
  if (validity.rangeOverflow) return say("validity.most", { most: bound(control.max) });
  if (validity.badInput) return say(control.type === "number" ? "validity.number" : "validity.date");
  if (validity.stepMismatch && ["", "1"].includes(control.step)) return say("validity.whole");
  if (validity.typeMismatch && control.type === "email") return say("validity.email");
  if (validity.typeMismatch && control.type === "url") return say("validity.url");
  return say("validity.form");
}

/** A number as the language writes it; a day as it is. */
function bound(text: string): string {
  const value = Number(text);
  return Number.isNaN(value) ? text : number(value, 6);
}

function forget(event: Event): void {
  (event.target as Control).setCustomValidity("");
}

function remark(event: Event): void {
  const control = event.target as Control;
  control.setCustomValidity("");
  if (control.validity.valid) return;
  control.setCustomValidity(remarkOn(control));
  for (const change of ["input", "change"]) control.addEventListener(change, forget, { once: true });
}

/** From now on forms speak the page's language. */
export function watchForms(): void {
  document.addEventListener("invalid", remark, true);
}
