/** The waiting list, quotas of persons, one's own data, and what is set for the chat. Times are seconds since 1970. */
import { call } from "../../api/server";
import { language } from "../../i18n/catalogue.svelte";
import type {
  AccessRuleBody as AccessRule,
  AdmittedBody as Admitted,
  AnnouncementBody as Announcement,
  ChatSettingsBody as ChatSettings,
  DeletionPreview,
  EntryBody as Waiting,
  OwnQuota,
  PersonQuotaBody as PersonQuota,
  WaitingListBody as WaitingListRule,
} from "../../api/schema";
import { get, part, post, put, remove, type List } from "./client";

export type {
  AccessRule,
  Admitted,
  Announcement,
  ChatSettings,
  DeletionPreview,
  OwnQuota,
  PersonQuota,
  Waiting,
  WaitingListRule,
};

const ROOT = "/v1/organization";
type Data<T> = { data: T[] };

export const FEATURES = ["documents", "memory", "sharing", "explore", "import"] as const;
export type Feature = (typeof FEATURES)[number];

export const waitingList = {
  rule: () => get<WaitingListRule>(`${ROOT}/waiting-list/settings`),
  setOpen: (open: boolean) => put<WaitingListRule>(`${ROOT}/waiting-list/settings`, { open }),
  list: (status: Waiting["status"], search: string) =>
    get<List<Waiting>>(`${ROOT}/waiting-list`, { status, search, limit: 100 }),
  admit: async (fields: {
    entry_ids: string[] | null;
    first: number | null;
    role: string;
    workspace_ids: string[];
    expires_in: number;
  }) => (await post<Data<Admitted>>(`${ROOT}/waiting-list/admit`, fields)).data,
  refuse: (ids: string[]) => post(`${ROOT}/waiting-list/refuse`, { entry_ids: ids }),
  remove: (id: string) => remove(`${ROOT}/waiting-list/${part(id)}`),
};

export const personQuotas = {
  own: async () => (await get<Data<OwnQuota>>("/v1/me/quotas")).data,
  list: async () => (await get<Data<PersonQuota>>(`${ROOT}/person-quotas`)).data,
  set: (fields: {
    period: PersonQuota["period"];
    user_id: string | null;
    workspace_id: string | null;
    messages: number | null;
    tokens: number | null;
    cost_microcents: number | null;
  }) => post<PersonQuota>(`${ROOT}/person-quotas`, fields),
  remove: (id: string) => remove(`${ROOT}/person-quotas/${part(id)}`),
};

export const ownData = {
  preview: () => get<DeletionPreview>("/v1/me/deletion"),
  remove: (confirm: string, password: string) =>
    post("/v1/me/deletion", { confirm, password: password === "" ? null : password }),
  /** The archive; `onBytes` hears how much has come. */
  async archive(signal: AbortSignal, onBytes: (bytes: number) => void): Promise<Blob> {
    const reader = (await call(`/v1/me/export?language=${language()}`, { signal })).body!.getReader();
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(chunks, { type: "application/zip" });
      chunks.push(value);
      onBytes((bytes += value.length));
    }
  },
};

export const erasePerson = (id: string, confirm: string) => post(`${ROOT}/users/${part(id)}/erase`, { confirm });

export const chatSettings = {
  get: () => get<ChatSettings>(`${ROOT}/chat`),
  set: (settings: Omit<ChatSettings, "object">) => put<ChatSettings>(`${ROOT}/chat`, settings),
};

export const accessRules = {
  list: async () => (await get<Data<AccessRule>>(`${ROOT}/access-rules`)).data,
  set: (rule: Omit<AccessRule, "object">) => put(`${ROOT}/access-rules`, rule),
};

export const announcements = {
  list: async () => (await get<Data<Announcement>>(`${ROOT}/announcements`)).data,
  add: (fields: {
    text: string;
    level: string;
    dismissible: boolean;
    starts_at: number | null;
    ends_at: number | null;
  }) => post<Announcement>(`${ROOT}/announcements`, fields),
  remove: (id: string) => remove(`${ROOT}/announcements/${part(id)}`),
};
