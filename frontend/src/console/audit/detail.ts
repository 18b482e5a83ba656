/** What an audit entry records besides, in the reader's words: each value by the label of its field. */
import { number } from "../../i18n/catalogue.svelte";
import { fieldLabel } from "../field-labels";
import { t } from "../i18n/catalogue.svelte";
import { roleName } from "../i18n/roles";
import { dateTime, money } from "../words";
import { word } from "./words";

const ROLES = new Set(["role", "roles", "newcomer_role"]);
const CENTS = new Set(["microcents", "cost", "input", "cached_input", "output", "training"]);

/** An empty text for an entry that has nothing more; `currency` is that of its amounts. */
export function detailText(detail: Readonly<Record<string, unknown>>, currency: string | null | undefined): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) =>
      t("action.on", {
        action: word(`detail.${name}`) || (fieldLabel(name) ?? name),
        name: valueText(name, value, currency),
      }),
    )
    .join(" · ");
}

function valueText(name: string, value: unknown, currency: string | null | undefined): string {
  if (Array.isArray(value)) return value.map((each) => valueText(name, each, currency)).join(", ");
  if (typeof value === "boolean") return word(value ? "value.true" : "value.false");
  if (typeof value === "number") {
    if (name.endsWith("_at")) return dateTime(value);
    return CENTS.has(name) ? money(value, currency) : number(value);
  }
  if (typeof value === "object" && value !== null) {
    return `(${detailText(value as Record<string, unknown>, currency)})`;
  }
  if (ROLES.has(name)) return roleName(String(value));
  return word(`value.${name}.${String(value)}`) || String(value);
}
