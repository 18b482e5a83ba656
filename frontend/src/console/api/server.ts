/** `/v1/server/…`: what all organizations share, for whoever runs the server. Sizes are bytes. */
import { allPages, type Show } from "../../api/pages";
import { get, part, post, put, remove } from "./client";
import type {
  Model as ModelCard,
  ServerModel,
  ModelRequest as ModelNotes,
  ServerModelList as ServerModels,
  PullBody as Pull,
  SuggestionBody as Suggestion,
  AliasBody as Alias,
  AliasRequest as AliasWish,
  ProvidedModelBody as ProvidedModel,
  UpstreamBody as Upstream,
  UpstreamCheck,
  FallbacksBody as Fallbacks,
  NewOrganizationBody as NewOrganization,
  OrganizationBody as Organization,
  ProviderBody as IdentityProvider,
} from "../../api/schema";

export type {
  ServerModel,
  ModelNotes,
  ServerModels,
  Pull,
  Suggestion,
  Alias,
  AliasWish,
  ProvidedModel,
  Upstream,
  UpstreamCheck,
  Fallbacks,
  NewOrganization,
  Organization,
  IdentityProvider,
};

const ROOT = "/v1/server";
/** A model's name may have slashes, which stay. */
const path = (name: string) => name.split("/").map(part).join("/");

/** `open`: its files can be downloaded; `commercial`: it answers over the API only. */
export type ModelAccess = ModelCard["access"];

export const serverModels = {
  list: () => get<ServerModels>(`${ROOT}/models`),
  load: (id: string) => post<ServerModel>(`${ROOT}/models/${part(id)}/load`),
  unload: (id: string) => post<ServerModel>(`${ROOT}/models/${part(id)}/unload`),
  say: (id: string, notes: ModelNotes) => post<ServerModel>(`${ROOT}/models/${path(id)}`, notes),
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

export const UPSTREAM_KINDS = [
  "openai",
  "azure",
  "azure_ai",
  "mistral",
  "aquilon",
  "anthropic",
] as const satisfies readonly UpstreamKind[];
export type UpstreamKind = Upstream["kind"];

export interface UpstreamFields {
  name: string;
  kind: UpstreamKind;
  base_url: string;
  api_key?: string;
  api_version: string | null;
  enabled: boolean;
  models: Omit<ProvidedModel, "state">[];
}

export const upstreams = {
  list: async () => (await get<{ data: Upstream[] }>(`${ROOT}/upstreams`)).data,
  add: (fields: UpstreamFields) => post<Upstream>(`${ROOT}/upstreams`, fields),
  change: (id: string, fields: Partial<UpstreamFields>) => post<Upstream>(`${ROOT}/upstreams/${part(id)}`, fields),
  check: (id: string) => post<UpstreamCheck>(`${ROOT}/upstreams/${part(id)}/check`),
  remove: (id: string) => remove(`${ROOT}/upstreams/${part(id)}`),
};

export const fallbacks = {
  list: async () => (await get<{ data: Fallbacks[] }>(`${ROOT}/fallbacks`)).data,
  /** None removes them. */
  set: (model: string, models: readonly string[]) => put<Fallbacks>(`${ROOT}/fallbacks/${path(model)}`, { models }),
};

export const organizations = {
  list: (show?: Show<Organization>) => allPages<Organization>(`${ROOT}/organizations`, show),
  create: (name: string, owner: string) => post<NewOrganization>(`${ROOT}/organizations`, { name, owner }),
  change: (id: string, changes: { name?: string; disabled?: boolean; vat_percent?: string | null }) =>
    post<Organization>(`${ROOT}/organizations/${part(id)}`, changes),
};

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
  list: () => allPages<IdentityProvider>(`${ROOT}/identity-providers`),
  create: (fields: ProviderFields & { name: string; issuer: string; organization: string }) =>
    post<IdentityProvider>(`${ROOT}/identity-providers`, fields),
  change: (id: string, changes: Partial<ProviderFields> & { disabled?: boolean }) =>
    post<IdentityProvider>(`${ROOT}/identity-providers/${part(id)}`, changes),
  check: (id: string) => post<{ authorization_endpoint: string }>(`${ROOT}/identity-providers/${part(id)}/check`),
  remove: (id: string) => remove(`${ROOT}/identity-providers/${part(id)}`),
};
