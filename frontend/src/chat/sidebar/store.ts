/** The server's conversations and projects, as the side list reads and changes them. */
import { call, postJson } from "../../api/server";
import type { ConversationBody, ConversationPage, HitList, ProjectBody, ProjectPage } from "../../api/schema";

export { deleteConversation } from "../../api/conversations";
export type { ConversationBody, HitBody, ProjectBody } from "../../api/schema";

const PAGE = 100;

/** What a list has; a filter that is left out doesn't choose. */
export interface Chosen {
  pinned?: boolean;
  archived?: boolean;
  /** `none`: those in no project. */
  project_id?: string;
}

export type ConversationChange = Partial<
  Pick<ConversationBody, "title" | "pinned" | "archived" | "project_id" | "visibility">
>;
export type ProjectChange = Pick<ProjectBody, "name" | "instructions" | "visibility" | "vector_store_ids">;

export async function conversations(chosen: Chosen, after: string | null): Promise<ConversationPage> {
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const [name, value] of Object.entries(chosen)) query.set(name, String(value));
  if (after !== null) query.set("after", after);
  return (await (await call(`/v1/conversations?${query}`)).json()) as ConversationPage;
}

export async function changeConversation(id: string, change: ConversationChange): Promise<ConversationBody> {
  return (await (await postJson(`/v1/conversations/${encodeURIComponent(id)}`, change)).json()) as ConversationBody;
}

export async function search(
  query: string,
  { offset = 0, limit = 20, signal }: { offset?: number; limit?: number; signal?: AbortSignal } = {},
): Promise<HitList> {
  const parameters = new URLSearchParams({ query, offset: String(offset), limit: String(limit) });
  const init = signal === undefined ? {} : { signal };
  return (await (await call(`/v1/conversations/search?${parameters}`, init)).json()) as HitList;
}

/** All projects, the latest first. */
export async function projects(): Promise<ProjectBody[]> {
  const all: ProjectBody[] = [];
  let after: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (after !== null) query.set("after", after);
    const page = (await (await call(`/v1/projects?${query}`)).json()) as ProjectPage;
    all.push(...page.data);
    after = page.has_more ? page.last_id : null;
  } while (after !== null);
  return all;
}

export async function readProject(id: string): Promise<ProjectBody> {
  return (await (await call(`/v1/projects/${encodeURIComponent(id)}`)).json()) as ProjectBody;
}

export async function createProject(fields: ProjectChange): Promise<ProjectBody> {
  return (await (await postJson("/v1/projects", fields)).json()) as ProjectBody;
}

export async function changeProject(id: string, change: Partial<ProjectChange>): Promise<ProjectBody> {
  return (await (await postJson(`/v1/projects/${encodeURIComponent(id)}`, change)).json()) as ProjectBody;
}

export async function deleteProject(id: string, { withConversations }: { withConversations: boolean }): Promise<void> {
  const query = withConversations ? "?with_conversations=true" : "";
  await call(`/v1/projects/${encodeURIComponent(id)}${query}`, { method: "DELETE" });
}
