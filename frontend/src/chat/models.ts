/** What the page concludes from a model's card. */
import type { ModelCard } from "../api/types";

const SMALL_PARAMETERS = 3e9;

/** Whether a person should be told not to trust it far. */
export function isSmall(card: ModelCard): boolean {
  return card.parameters > 0 && card.parameters < SMALL_PARAMETERS;
}

/** Whether its card says which languages it knows, and this one is not among them. */
export function isStrangerTo(card: ModelCard, language: string): boolean {
  const known = card.languages;
  return known.length > 0 && !known.some((code) => code.split("-")[0] === language);
}

export function modelName(card: ModelCard): string {
  return card.name ?? card.id;
}
