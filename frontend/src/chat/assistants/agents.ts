/** Assistants as the server has them, in Mistral's contract of agents. */
import { call, postJson } from "../../api/server";
import type { Agent, AgentPage, CreateAgent, LibraryList, UpdateAgent } from "../../api/schema";

export type { Agent } from "../../api/schema";

const PAGE = 100;
export const MOST_QUESTIONS = 8;
export const MOST_INSTRUCTIONS = 20_000;

export interface Library {
  id: string;
  name: string;
}

/** Those that the chat offers, the newest first. */
export async function agents(after: string | null = null): Promise<{ agents: Agent[]; next: string | null }> {
  const query = new URLSearchParams({ page_size: String(PAGE), deployment_chat: "true" });
  if (after !== null) query.set("page_token", after);
  const page = (await (await call(`/v1/agents/pages?${query}`)).json()) as AgentPage;
  return { agents: page.data, next: page.next_page_token };
}

export async function readAgent(id: string): Promise<Agent> {
  return (await (await call(address(id))).json()) as Agent;
}

export async function createAgent(fields: CreateAgent): Promise<Agent> {
  return (await (await postJson("/v1/agents", fields)).json()) as Agent;
}

export async function updateAgent(id: string, fields: UpdateAgent): Promise<Agent> {
  return (await (await postJson(address(id), fields, { method: "PATCH" })).json()) as Agent;
}

export async function deleteAgent(id: string): Promise<void> {
  await call(address(id), { method: "DELETE" });
}

/** null takes the picture away. */
export async function setPicture(id: string, picture: File | null): Promise<void> {
  const request = picture === null ? { method: "DELETE" } : { method: "PUT", body: picture };
  await call(`${address(id)}/picture`, request);
}

/** The libraries that an assistant may answer from. */
export async function libraries(): Promise<Library[]> {
  const query = new URLSearchParams({ page_size: String(PAGE) });
  return ((await (await call(`/v1/libraries?${query}`)).json()) as LibraryList).data;
}

/** The libraries that its tools name. */
export function librariesOf(tools: Agent["tools"]): string[] {
  return tools.flatMap((tool) => (tool.type === SEARCH && Array.isArray(tool.library_ids) ? tool.library_ids : []));
}

/** Its tools with other libraries. */
export function withLibraries(tools: Agent["tools"], ids: readonly string[]): Agent["tools"] {
  const others = tools.filter((tool) => tool.type !== SEARCH);
  return ids.length === 0 ? others : [...others, { type: SEARCH, library_ids: [...ids] }];
}

const SEARCH = "document_library";

function address(id: string): string {
  return `/v1/agents/${encodeURIComponent(id)}`;
}
