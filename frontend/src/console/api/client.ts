/** The server's answers as typed objects; every failure is a Problem. */
import { call, postJson } from "../../api/server";

export type Query = Record<string, string | number | boolean | null | undefined>;

/** A page of a list, as all lists of the server come. */
export interface List<T> {
  data: T[];
  last_id: string | null;
  has_more: boolean;
}

export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value != null && value !== "") asked.set(name, String(value));
  return asked.size === 0 ? path : `${path}?${asked}`;
}

export async function get<T>(path: string, query: Query = {}): Promise<T> {
  return (await (await call(address(path, query))).json()) as T;
}

/** The pages of a list, each read once the one before has been used. */
export async function* pages<T>(path: string, query: Query = {}): AsyncGenerator<T[]> {
  let after: string | null = null;
  do {
    const page: List<T> = await get<List<T>>(path, { ...query, limit: 100, after });
    yield page.data;
    after = page.has_more ? page.last_id : null;
  } while (after !== null);
}

/** All of a list, one page after the other. */
export async function getAll<T>(path: string, query: Query = {}): Promise<T[]> {
  const all: T[] = [];
  for await (const page of pages<T>(path, query)) all.push(...page);
  return all;
}

/** Whether a list has something of the kind; reads no further than that. */
export async function some<T>(path: string, wanted: (each: T) => boolean): Promise<boolean> {
  for await (const page of pages<T>(path)) if (page.some(wanted)) return true;
  return false;
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
