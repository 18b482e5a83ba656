/** The server's answers as typed objects; every failure is a Problem. */
import { pages } from "../../api/pages";
import { call, postJson } from "../../api/server";

export type { List } from "../../api/pages";

export type Query = Record<string, string | number | boolean | null | undefined>;

export function address(path: string, query: Query = {}): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value != null && value !== "") asked.set(name, String(value));
  return asked.size === 0 ? path : `${path}?${asked}`;
}

export async function get<T>(path: string, query: Query = {}): Promise<T> {
  return (await (await call(address(path, query))).json()) as T;
}

/** A list read again as far as it can have changed: from its beginning to the last entry that still changes. */
export async function getAgain<T extends { id: string }>(
  path: string,
  known: readonly T[],
  changes: (each: T) => boolean,
): Promise<T[]> {
  const last = known.findLastIndex(changes);
  const read: T[] = [];
  for await (const { data } of pages<T>(path)) {
    read.push(...data);
    const at = read.findIndex(({ id }) => id === known[last]?.id);
    if (at >= 0) return [...read.slice(0, at + 1), ...known.slice(last + 1)];
  }
  return read;
}

/** Whether a list has something of the kind; reads no further than that. */
export async function some<T>(path: string, wanted: (each: T) => boolean): Promise<boolean> {
  for await (const page of pages<T>(path)) if (page.data.some(wanted)) return true;
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
