/** What the server refused, in the page's language: by its code and values, and by the field's own label. */
import { catalogue, type Values } from "../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

export type RefusalKey = keyof typeof texts;

const t = catalogue<RefusalKey>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

/** Codes whose message has more than a sentence of ours can say, such as another server's reason. */
const WITH_REASON = new Set([
  "content_filter",
  "document_not_ready",
  "engine_refused",
  "invalid_prefix",
  "invalid_schema",
  "issuer_invalid",
  "logo_unusable",
  "model_in_use",
  "model_unusable",
  "provider_unusable",
  "secrets_unusable",
  "template_error",
  "unknown_field",
  "unknown_format",
  "unsupported",
  "upstream_failed",
  "upstream_refused",
  "value_error",
]);

interface Refused {
  message: string;
  type: string;
  code: string;
  param: string | null;
  values: Values;
}

export interface Said {
  text: string;
  /** The server's own words, where they have more than the text. */
  reason: string | null;
}

/** `label` gives the name that the page's form has for a field of the API, or null where it has none. */
export function refusal(problem: Refused, label: (param: string) => string | null = () => null): Said {
  const { code, type, values, message } = problem;
  const said = t(`error.${code}` as RefusalKey, values);
  const known = said !== "" && !/\{\w+\}/.test(said);
  const general = t(`type.${type}` as RefusalKey) || t("type.server_error");
  const field = String(values.field ?? problem.param ?? "");
  const name = known && field !== "" ? label(field) : null;
  return {
    text: name === null ? (known ? said : general) : t("refusal.of", { field: name, text: said }),
    reason: known && !WITH_REASON.has(code) ? null : message,
  };
}

/** What stands above the server's own words. */
export function reasonTitle(): string {
  return t("refusal.words");
}
