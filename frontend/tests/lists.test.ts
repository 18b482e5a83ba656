import { beforeEach, expect, test, vi } from "vitest";
import { allPages } from "../src/api/pages";
import { getAgain } from "../src/console/api/client";
import { Loaded } from "../src/console/work.svelte";

interface Entry {
  id: string;
  state: "running" | "over";
}

/** What the server has, in pages of two, and what it was asked for. */
let stored: Entry[] = [];
let asked: (string | null)[] = [];

beforeEach(() => {
  asked = [];
  vi.stubGlobal("fetch", (address: string) => {
    const after = new URL(address, "http://localhost").searchParams.get("after");
    asked.push(after);
    const from = stored.findIndex(({ id }) => id === after) + 1;
    const data = stored.slice(from, from + 2);
    const body = { data, last_id: data.at(-1)?.id ?? null, has_more: from + 2 < stored.length };
    return Promise.resolve(Response.json(body));
  });
});

const entries = (states: string): Entry[] =>
  [...states].map((state, place) => ({ id: `${states.length - place}`, state: state === "r" ? "running" : "over" }));
const ids = (some: readonly Entry[] | null) => some?.map(({ id }) => id).join("");

test("a list's first page is shown while more comes, and again when there is twice as much", async () => {
  stored = entries("ooooooooo");
  const shown: (string | undefined)[] = [];
  const list = new Loaded<Entry[]>((show) =>
    allPages<Entry>("/list", (soFar) => {
      show(soFar);
      shown.push(`${ids(list.value)} ${list.partial}`);
    }),
  );
  await list.reload();
  expect(shown).toEqual(["98 true", "9876 true", "98765432 true"]);
  expect([ids(list.value), list.partial]).toEqual(["987654321", false]);

  await list.reload();
  expect(shown.slice(3)).toEqual(Array(3).fill("987654321 false")); // what is there stays until all has come
});

test("a list that can't be read to its end stays a part", async () => {
  stored = entries("ooo");
  const list = new Loaded<Entry[]>(async (show) => {
    await allPages("/list", show);
    throw new Error("gone");
  });
  await list.reload();
  expect([ids(list.value), list.partial, list.problem?.kind]).toEqual(["32", true, "invalid"]);
});

test.each([
  ["rooooo", [null], "7654321"],
  ["ooroooo", [null, "7"], "87654321"],
  ["oooo", [null, "4", "2"], "54321"],
])("of the list %s no more is read again than can change", async (states, pages, all) => {
  const known = entries(states);
  stored = [{ id: `${states.length + 1}`, state: "running" }, ...entries(states.replace("r", "o"))];
  const again = await getAgain<Entry>("/list", known, ({ state }) => state === "running");
  expect(asked).toEqual(pages);
  expect(ids(again)).toBe(all);
  expect(again.filter(({ state }) => state === "running").map(({ id }) => id)).toEqual([`${states.length + 1}`]);
});
