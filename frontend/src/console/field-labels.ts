/** The labels that the forms have for the API's fields: an error names a field as the form does. */
import { t, type ConsoleKey } from "./i18n/catalogue.svelte";

const LABELS: Partial<Record<string, ConsoleKey>> = {
  allowed_addresses: "keys.addresses",
  allowed_models: "keys.models",
  api_key: "upstreams.key",
  base_url: "upstreams.url",
  batch_discount: "prices.discount",
  cached_input: "prices.cached",
  client_id: "signOn.client",
  client_secret: "signOn.secret",
  current: "account.current",
  days: "settings.days",
  default_temperature: "models.temperature",
  description: "models.description",
  email: "members.email",
  email_domains: "signOn.domains",
  endpoint: "batches.endpoint",
  expires_at: "keys.expiry",
  expires_in: "invitations.days",
  file: "batches.file",
  input: "prices.input",
  input_file_id: "batches.file",
  issuer: "signOn.issuer",
  label: "signOn.label",
  license: "models.license",
  languages: "models.languages",
  limit_microcents: "budgets.limit",
  max_context: "upstreams.context",
  models: "upstreams.models",
  month: "statements.month",
  name: "keys.name",
  note: "invitations.note",
  output: "prices.output",
  owner: "organizations.owner",
  parallel_requests: "limits.parallel",
  password: "account.new",
  percent: "aliases.percent",
  period: "budgets.period",
  replacement: "models.replacement",
  requests_per_minute: "limits.requests",
  retires_at: "models.retires",
  role: "members.role",
  scopes: "keys.scopes",
  source: "pulls.source",
  starts_at: "prices.begins",
  target: "aliases.standsFor",
  tokens_per_minute: "limits.tokens",
  training: "prices.training",
  uses: "invitations.uses",
  weight: "upstreams.weight",
  workspace_id: "keys.workspace",
};

/** The playground labels its fields with the API's own names, for it teaches them. */
const OWN_NAMES = new Set(["temperature", "top_p", "max_tokens", "seed", "stop", "tools"]);

/** `field` may be a path, such as `share.percent`. */
export function fieldLabel(field: string): string | null {
  const name = field.split(".").findLast((part) => !/^\d+$/.test(part)) ?? "";
  const key = LABELS[name];
  return key === undefined ? (OWN_NAMES.has(name) ? name : null) : t(key);
}
