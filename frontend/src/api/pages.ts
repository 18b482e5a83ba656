/** Lists of the server, which come in pages. */
import { call } from "./server";

/** A page of a list, as all lists of the server come. */
export interface List<T> {
  data: T[];
  last_id: string | null;
  has_more: boolean;
}

/** The pages of a list, each read once the one before has been used. */
export async function* pages<T>(address: string): AsyncGenerator<List<T>> {
  const begin = `${address}${address.includes("?") ? "&" : "?"}limit=100`;
  let after: string | null = null;
  do {
    const asked: string = after === null ? begin : `${begin}&after=${encodeURIComponent(after)}`;
    const page = (await (await call(asked)).json()) as List<T>;
    yield page;
    after = page.has_more ? page.last_id : null;
  } while (after !== null);
}

/** What a list is shown with while more of it comes. */
export type Show<T> = (soFar: T[]) => void;

/**
 * All of a list, one page after the other; `show` is told what has come while there is more: the first page, and again
 * each time that there is twice as much, since to show each page would take longer than to read it.
 */
export async function allPages<T>(address: string, show?: Show<T>): Promise<T[]> {
  const all: T[] = [];
  let shown = 0;
  for await (const { data, has_more } of pages<T>(address)) {
    all.push(...data);
    if (!has_more || all.length < 2 * shown) continue;
    show?.([...all]);
    shown = all.length;
  }
  return all;
}
