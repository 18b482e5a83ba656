/** The server's answers as typed objects; every failure is a Problem. */
import { call, postJson } from "../../api/server";

export type Query = Record<string, string | number | boolean | null | undefined>;

/** A page of a list, as all lists of the server come. */
export interface List<T> {
  data: T[];
  last_id: string | null;
  has_more: boolean;
}

const MOST_PAGES = 20;

export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value != null && value !== "") asked.set(name, String(value));
  return asked.size === 0 ? path : `${path}?${asked}`;
}

export async function get<T>(path: string, query: Query = {}): Promise<T> {
  return (await (await call(address(path, query))).json()) as T;
}

/** All pages of a list, one after the other. */
export async function getAll<T>(path: string, query: Query = {}): Promise<T[]> {
  const all: T[] = [];
  let after: string | null = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const list: List<T> = await get<List<T>>(path, { ...query, limit: 100, after });
    all.push(...list.data);
    if (!list.has_more || list.last_id === null) break;
    after = list.last_id;
  }
  return all;
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  return (await (await postJson(path, body)).json()) as T;
}

export async function put<T>(path: string, body: unknown): Promise<T> {
  return (await (await postJson(path, body, { method: "PUT" })).json()) as T;
}

export async function remove(path: string): Promise<void> {
  await call(path, { method: "DELETE" });
}

/** An id as a part of a path. */
export const part = (id: string) => encodeURIComponent(id);
