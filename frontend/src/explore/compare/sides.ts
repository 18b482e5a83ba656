/** What the two sides of a comparison answer with. */
import type { SideFields } from "../../api/schema";
import type { Language } from "../../i18n/catalogue.svelte";

export interface Side {
  model: string;
  temperature: number;
  instructions: string;
  /** "" leaves the language to the model. */
  language: Language | "";
}

/** For the model to read, each in the language that it asks for. */
const ANSWER_IN: Record<Language, string> = {
  en: "Answer in English.",
  fr: "Répondez en français.",
  de: "Antworten Sie auf Deutsch.",
  es: "Responda en español.",
  it: "Risponda in italiano.",
};

export function fieldsOf(side: Side): SideFields {
  const language = side.language === "" ? "" : ANSWER_IN[side.language];
  const instructions = [side.instructions.trim(), language].filter((part) => part !== "").join("\n");
  return { model: side.model, temperature: side.temperature, instructions };
}

/** Whether both sides would answer alike but for chance. */
export function areAlike(one: Side, other: Side): boolean {
  return JSON.stringify(fieldsOf(one)) === JSON.stringify(fieldsOf(other));
}
