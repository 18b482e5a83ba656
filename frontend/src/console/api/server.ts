/** `/v1/server/…`: what all organizations share, for whoever runs the server. Sizes are bytes. */
import { get, getAll, part, post, put, remove } from "./client";

const ROOT = "/v1/server";
/** A model's name may have slashes, which stay. */
const path = (name: string) => name.split("/").map(part).join("/");

export interface ServerModel {
  id: string;
  state: "ready" | "loading" | "failed" | "unloaded" | "remote" | (string & {});
  /** Of loading, 0 to 1. */
  progress: number;
  detail: string;
  memory_bytes: number;
  size_bytes: number;
  startup: boolean;
  retired: boolean;
  retires_at: number | null;
  card: {
    access: ModelAccess;
    license: string;
    owned_by: string;
    local: boolean;
    description: string;
    aliases: string[];
    default_model_temperature: number | null;
    deprecation_replacement_model: string | null;
  };
}

/** `open`: its files can be downloaded; `commercial`: it answers over the API only. */
export type ModelAccess = "open" | "commercial";

/** What the operator says of a model; null takes back what was said. */
export interface ModelNotes {
  access: ModelAccess | null;
  description: string | null;
  license: string | null;
  default_temperature: number | null;
  retires_at: number | null;
  replacement: string | null;
}

export interface ServerModels {
  data: ServerModel[];
  memory_bytes: number;
  memory_limit_bytes: number | null;
  machine_memory_bytes: number;
  disk_bytes: number;
  disk_free_bytes: number;
  /** No engine here: all models are upstreams'. */
  gateway: boolean;
}

export interface Pull {
  id: string;
  source: string;
  name: string | null;
  state: "running" | "done" | "failed" | "cancelled" | "interrupted";
  phase: string;
  done_bytes: number;
  total_bytes: number | null;
  model: string | null;
  error: string | null;
  started_at: number;
}

export interface Suggestion {
  title: string;
  source: string;
  maker: string;
  country: string;
  european: boolean;
  license: string;
  parameters: number;
  download_bytes: number;
  memory_bytes: number;
  languages: string[];
  pulled: boolean;
}

export interface Alias {
  name: string;
  target: string;
  former: string | null;
  share: { model: string; percent: number } | null;
  switch: { model: string; at: number } | null;
  in_settings: boolean;
}

export interface AliasWish {
  name: string;
  target: string;
  share: { model: string; percent: number } | null;
  switch: { model: string; at: number } | null;
}

export const serverModels = {
  list: () => get<ServerModels>(`${ROOT}/models`),
  load: (id: string) => post<ServerModel>(`${ROOT}/models/${part(id)}/load`),
  unload: (id: string) => post<ServerModel>(`${ROOT}/models/${part(id)}/unload`),
  say: (id: string, notes: Partial<ModelNotes>) => post<ServerModel>(`${ROOT}/models/${path(id)}`, notes),
  remove: (id: string) => remove(`${ROOT}/models/${part(id)}`),
  suggestions: async () => (await get<{ data: Suggestion[] }>(`${ROOT}/model-suggestions`)).data,
  pulls: async () => (await get<{ data: Pull[] }>(`${ROOT}/pulls`)).data,
  pull: (source: string, name: string) => post<Pull>(`${ROOT}/pulls`, { source, ...(name === "" ? {} : { name }) }),
  cancelPull: (id: string) => post<Pull>(`${ROOT}/pulls/${part(id)}/cancel`),
};

export const aliases = {
  list: async () => (await get<{ data: Alias[] }>(`${ROOT}/aliases`)).data,
  set: (wish: AliasWish) => post<Alias>(`${ROOT}/aliases`, wish),
  rollBack: (name: string) => post<Alias>(`${ROOT}/aliases/${path(name)}/rollback`),
  remove: (name: string) => remove(`${ROOT}/aliases/${path(name)}`),
};

export interface ProvidedModel {
  /** Here. */
  name: string;
  /** There. */
  remote: string;
  max_context: number;
  capabilities: string[];
  weight: number;
  state?: string;
}

export const UPSTREAM_KINDS = ["openai", "azure", "azure_ai", "mistral", "aquilon"] as const;
export type UpstreamKind = (typeof UPSTREAM_KINDS)[number];

export interface Upstream {
  id: string;
  name: string;
  kind: UpstreamKind;
  base_url: string;
  has_key: boolean;
  api_version: string | null;
  enabled: boolean;
  models: ProvidedModel[];
  problem: string;
}

export interface UpstreamFields {
  name: string;
  kind: UpstreamKind;
  base_url: string;
  api_key?: string;
  api_version: string | null;
  enabled: boolean;
  models: Omit<ProvidedModel, "state">[];
}

export interface UpstreamCheck {
  ok: boolean;
  problem: string;
  models: { name: string; max_context: number | null }[];
  milliseconds: number;
}

export const upstreams = {
  list: async () => (await get<{ data: Upstream[] }>(`${ROOT}/upstreams`)).data,
  add: (fields: UpstreamFields) => post<Upstream>(`${ROOT}/upstreams`, fields),
  change: (id: string, fields: Partial<UpstreamFields>) => post<Upstream>(`${ROOT}/upstreams/${part(id)}`, fields),
  check: (id: string) => post<UpstreamCheck>(`${ROOT}/upstreams/${part(id)}/check`),
  remove: (id: string) => remove(`${ROOT}/upstreams/${part(id)}`),
};

export interface Fallbacks {
  model: string;
  /** In the order in which they are asked. */
  models: string[];
}

export const fallbacks = {
  list: async () => (await get<{ data: Fallbacks[] }>(`${ROOT}/fallbacks`)).data,
  /** None removes them. */
  set: (model: string, models: readonly string[]) => put<Fallbacks>(`${ROOT}/fallbacks/${path(model)}`, { models }),
};

export interface Organization {
  id: string;
  name: string;
  created_at: number;
  disabled_at: number | null;
}

export interface NewOrganization extends Organization {
  owner: { name: string; login_token: string };
}

export const organizations = {
  list: () => getAll<Organization>(`${ROOT}/organizations`),
  create: (name: string, owner: string) => post<NewOrganization>(`${ROOT}/organizations`, { name, owner }),
  change: (id: string, changes: { name?: string; disabled?: boolean }) =>
    post<Organization>(`${ROOT}/organizations/${part(id)}`, changes),
};

export interface IdentityProvider {
  id: string;
  name: string;
  label: string;
  organization_name: string;
  issuer: string;
  client_id: string;
  has_secret: boolean;
  newcomer_role: string | null;
  email_domains: string[];
  /** Whether a verified address finds the account that an administrator gave it to. */
  links_by_email: boolean;
  disabled: boolean;
}

export interface ProviderFields {
  label: string;
  client_id: string;
  /** What is left out stays as it is. */
  client_secret?: string;
  email_domains: string[];
  newcomer_role: string | null;
  links_by_email: boolean;
}

export const identityProviders = {
  list: () => getAll<IdentityProvider>(`${ROOT}/identity-providers`),
  create: (fields: ProviderFields & { name: string; issuer: string; organization: string }) =>
    post<IdentityProvider>(`${ROOT}/identity-providers`, fields),
  change: (id: string, changes: Partial<ProviderFields> & { disabled?: boolean }) =>
    post<IdentityProvider>(`${ROOT}/identity-providers/${part(id)}`, changes),
  check: (id: string) => post<{ authorization_endpoint: string }>(`${ROOT}/identity-providers/${part(id)}/check`),
  remove: (id: string) => remove(`${ROOT}/identity-providers/${part(id)}`),
};
