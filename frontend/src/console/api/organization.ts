/** `/v1/organization/…`: people, workspaces, keys and the audit log. Times are seconds since 1970. */
import { byName } from "../words";
import { allPages, type Show } from "../../api/pages";
import { get, part, post, put, remove, some, type List } from "./client";
import type {
  WorkspaceBody as Workspace,
  UserBody as Person,
  NewUserBody as NewPerson,
  MemberBody as Member,
  NewApiKeyBody as NewApiKey,
  ApiKeyBody as ApiKey,
  AuditBody as AuditEntry,
  OrganizationBody as Organization,
  NewInvitationBody as NewInvitation,
  InvitationBody as Invitation,
  LimitBody as Limit,
} from "../../api/schema";

export type {
  Workspace,
  Person,
  NewPerson,
  Member,
  NewApiKey,
  ApiKey,
  AuditEntry,
  Organization,
  NewInvitation,
  Invitation,
  Limit,
};

const ROOT = "/v1/organization";

export const KEY_SCOPES = [
  "inference",
  "files",
  "batch",
  "usage",
  "administration",
] as const satisfies readonly KeyScope[];
export type KeyScope = ApiKey["scopes"][number];

export interface KeyLimits {
  scopes: KeyScope[];
  allowed_models: string[] | null;
  allowed_addresses: string[] | null;
  expires_at: number | null;
}

/** All that may be asked, for whatever purpose. */
export async function modelNames(): Promise<string[]> {
  return (await get<{ data: { id: string }[] }>("/v1/models")).data.map((card) => card.id);
}

export const organization = {
  get: () => get<Organization>(ROOT),
  change: (changes: { name?: string; password_sign_in?: boolean; vat_number?: string }) =>
    post<Organization>(ROOT, changes),
};

/** How many days after their last change conversations are kept; null for ever, 0 for not at all. */
export const retention = {
  get: () => get<{ days: number | null }>(`${ROOT}/conversation-retention`),
  set: (days: number | null) => put<{ days: number | null }>(`${ROOT}/conversation-retention`, { days }),
};

export const workspaces = {
  list: () => allPages<Workspace>(`${ROOT}/workspaces`),
  create: (name: string) => post<Workspace>(`${ROOT}/workspaces`, { name }),
  rename: (id: string, name: string) => post<Workspace>(`${ROOT}/workspaces/${part(id)}`, { name }),
  archive: (id: string) => post<Workspace>(`${ROOT}/workspaces/${part(id)}/archive`),
  members: async (id: string) => byName(await allPages<Member>(`${ROOT}/workspaces/${part(id)}/users`)),
  setMember: (id: string, user: string, role: string) =>
    post<Member>(`${ROOT}/workspaces/${part(id)}/users/${part(user)}`, { role }),
  removeMember: (id: string, user: string) => remove(`${ROOT}/workspaces/${part(id)}/users/${part(user)}`),
};

export const people = {
  list: async (show?: Show<Person>) => byName(await allPages(`${ROOT}/users`, show)),
  some: (wanted: (person: Person) => boolean) => some(`${ROOT}/users`, wanted),
  create: (name: string, email: string, role: string) =>
    post<NewPerson>(`${ROOT}/users`, { name, role, email: email === "" ? null : email }),
  /** Another link that signs the person in once. */
  link: (id: string) => post<NewPerson>(`${ROOT}/users/${part(id)}/link`),
  /** Ends all sessions and takes the password away. */
  reset: (id: string) => post<NewPerson>(`${ROOT}/users/${part(id)}/reset`),
  change: (id: string, changes: { name?: string; email?: string | null; role?: string; disabled?: boolean }) =>
    post<Person>(`${ROOT}/users/${part(id)}`, changes),
};

export const keys = {
  list: (show?: Show<ApiKey>) => allPages<ApiKey>(`${ROOT}/api_keys`, show),
  some: (wanted: (key: ApiKey) => boolean) => some(`${ROOT}/api_keys`, wanted),
  create: (fields: KeyLimits & { name: string; workspace_id?: string }) => post<NewApiKey>(`${ROOT}/api_keys`, fields),
  change: (id: string, changes: Partial<KeyLimits> & { name?: string; blocked?: boolean }) =>
    post<ApiKey>(`${ROOT}/api_keys/${part(id)}`, changes),
  rotate: (id: string, keepSeconds: number) =>
    post<NewApiKey>(`${ROOT}/api_keys/${part(id)}/rotate`, { keep_seconds: keepSeconds }),
  revoke: (id: string) => remove(`${ROOT}/api_keys/${part(id)}`),
};

export const invitations = {
  list: (show?: Show<Invitation>) => allPages<Invitation>(`${ROOT}/invitations`, show),
  some: (wanted: (invitation: Invitation) => boolean) => some(`${ROOT}/invitations`, wanted),
  create: (fields: { role: string; workspace_ids: string[]; expires_in: number; uses: number; note: string }) =>
    post<NewInvitation>(`${ROOT}/invitations`, fields),
  revoke: (id: string) => remove(`${ROOT}/invitations/${part(id)}`),
};

/** Those that work is done in. */
export async function activeWorkspaces(): Promise<Workspace[]> {
  return (await workspaces.list()).filter((room) => room.archived_at === null);
}

/** Whom a budget or a limit may be for, beside the organization. */
export interface Subjects {
  workspaces: readonly Workspace[];
  keys: readonly ApiKey[];
}

export async function subjects(): Promise<Subjects> {
  const [rooms, all] = await Promise.all([activeWorkspaces(), keys.list()]);
  return { workspaces: rooms, keys: all.filter((key) => !key.revoked) };
}

export const limits = {
  list: async () => (await get<{ data: Limit[] }>(`${ROOT}/limits`)).data,
  set: (fields: {
    workspace_id?: string;
    key_id?: string;
    model: string | null;
    requests_per_minute: number | null;
    tokens_per_minute: number | null;
    parallel_requests: number | null;
  }) => post<Limit>(`${ROOT}/limits`, fields),
  remove: (id: string) => remove(`${ROOT}/limits/${part(id)}`),
};

export const auditLog = (after: string | null, limit: number) =>
  get<List<AuditEntry>>(`${ROOT}/audit_logs`, { after, limit });
