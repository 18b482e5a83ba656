/** Fields that are as tall as their text, as far as their style lets them; `field-sizing` is not everywhere yet. */
import { directionOf } from "./direction";

/** Characters from which on `dir="auto"`, which looks for the direction of each line, takes Chromium seconds. */
const LONG = 20_000;

/** What `dir` of a field with this text is; to be set before the text is. */
export function fieldDirection(text: string): "auto" | "ltr" | "rtl" {
  return text.length > LONG ? (directionOf(text) ?? "ltr") : "auto";
}

export function fitHeight(field: HTMLTextAreaElement): void {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
