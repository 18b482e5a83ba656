/** Conversations that the server keeps, and a page of the path through one. */
import { loadRefusals } from "./problem";
import type { ConversationBody, TreePage } from "./schema";
import { call, postJson, postOnce } from "./server";

export type { ConversationBody, TreePage };

/** Which path: up to an item, or the latest one through an item; without either, the one to the head. */
export type PathOf = { leaf: string } | { through: string } | Record<string, never>;

/** A new conversation: with an assistant, if one answers in it, and in a project, if it is to be in one. */
export async function createConversation(fields: {
  metadata: Record<string, string>;
  agent_id?: string | undefined;
  project_id?: string | undefined;
}): Promise<ConversationBody> {
  return (await (await postOnce("/v1/conversations", fields)).json()) as ConversationBody;
}

export async function readConversation(id: string): Promise<ConversationBody> {
  return (await (await call(address(id))).json()) as ConversationBody;
}

export async function changeConversation(
  id: string,
  change: { title?: string; head_id?: string; metadata?: Record<string, string> },
): Promise<ConversationBody> {
  return (await (await postJson(address(id), change)).json()) as ConversationBody;
}

/** `leaving`: the request outlives the page. */
export async function deleteConversation(id: string, { leaving = false } = {}): Promise<void> {
  await call(address(id), { method: "DELETE", keepalive: leaving });
}

/** Gives it a title, if it has none but its question's words. */
export async function nameConversation(id: string, model: string, signal: AbortSignal): Promise<ConversationBody> {
  return (await (await postJson(`${address(id)}/title`, { model }, { signal })).json()) as ConversationBody;
}

/** A page of a path from its end upwards; `after` is the last item of the page before. */
export async function readPath(id: string, of: PathOf, limit: number, after?: string): Promise<TreePage> {
  const query = new URLSearchParams({ tree: "true", limit: String(limit), ...of, ...(after ? { after } : {}) });
  const page = (await (await call(`${address(id)}/items?${query}`)).json()) as TreePage;
  if (page.responses.some(({ error }) => error !== null)) await loadRefusals();
  return page;
}

function address(id: string): string {
  return `/v1/conversations/${encodeURIComponent(id)}`;
}
