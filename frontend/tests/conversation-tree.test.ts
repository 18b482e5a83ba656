import { describe, expect, test } from "vitest";
import { MemoryTree } from "../src/chat/memory-tree";
import { ALONE, pageOf, turnsOf, type Entry, type PathPage } from "../src/chat/tree";

/** Numbers that are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Grown {
  tree: MemoryTree;
  parents: Map<string, string | null>;
}

/** A conversation of questions and answers, asked, changed and answered again at random places. */
function grown(seed: number): Grown {
  const pick = numbers(seed);
  const tree = new MemoryTree();
  const parents = new Map<string, string | null>();
  const roles = new Map<string, "user" | "assistant">();
  for (let step = 0; step < 30; step++) {
    const ids = [...parents.keys()];
    const parent = step === 0 || pick(8) === 0 ? null : ids[pick(ids.length)]!;
    const role = parent === null || roles.get(parent) === "assistant" ? "user" : "assistant";
    const id = tree.add(parent, role, `text ${step}`);
    parents.set(id, parent);
    roles.set(id, role);
  }
  return { tree, parents };
}

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

describe.each(SEEDS)("in the conversation number %i that nobody keeps,", (seed) => {
  const { tree, parents } = grown(seed);
  const ids = [...parents.keys()];

  test("the path to an item is its ancestors", () => {
    for (const id of ids) {
      const path = tree.path({ leaf: id }).entries;
      expect(path.at(-1)?.id).toBe(id);
      path.forEach((entry, depth) => expect(entry.parentId).toBe(depth === 0 ? null : path[depth - 1]!.id));
      expect(parents.get(path[0]!.id)).toBe(null);
    }
  });

  test("siblings are those with the same parent, each with its neighbours", () => {
    for (const id of ids) {
      const { siblings } = tree.path({ leaf: id }).entries.at(-1)!;
      const family = ids.filter((other) => parents.get(other) === parents.get(id));
      const at = family.indexOf(id);
      const neighbours = { previousId: family[at - 1] ?? null, nextId: family[at + 1] ?? null };
      expect(siblings).toEqual({ number: at + 1, count: family.length, ...neighbours });
    }
  });

  test("the latest path through an item has it, and ends where nothing is below", () => {
    const inner = new Set(parents.values());
    for (const id of ids) {
      const path = tree.path({ through: id }).entries.map((entry) => entry.id);
      expect(path).toContain(id);
      expect(inner.has(path.at(-1)!)).toBe(false);
      const below = ids.filter((other) => tree.path({ leaf: other }).entries.some((entry) => entry.id === id));
      expect(path.at(-1)).toBe(below.at(-1));
    }
  });

  test("walking to a neighbour and back shows what was there", () => {
    for (const id of ids) {
      const { nextId } = tree.path({ through: id }).entries.find((entry) => entry.id === id)!.siblings;
      if (nextId === null) continue;
      const there = tree.path({ through: nextId }).entries.find((entry) => entry.id === nextId)!;
      expect(there.siblings.previousId).toBe(id);
    }
  });

  test("pages of a path that are read upwards have each turn once", () => {
    const whole = tree.path({});
    const expected = turnsOf(whole).turns.map((turn) => [turn.question?.id, turn.answer?.leafId]);
    for (const size of [2, 3, 5]) {
      let shown: typeof expected = [];
      for (let end = whole.entries.length; end > 0;) {
        const begin = Math.max(0, end - size);
        const page: PathPage = { entries: whole.entries.slice(begin, end), answers: [], earlier: begin > 0 };
        const { turns, from } = turnsOf(page);
        shown = [...turns.map((turn) => [turn.question?.id, turn.answer?.leafId]), ...shown];
        end = whole.entries.findIndex((entry) => entry.id === from);
      }
      expect(shown).toEqual(expected);
    }
  });
});

const entry = (id: string, role: Entry["role"], text = "", thoughts = ""): Entry => ({
  id,
  parentId: null,
  role,
  text,
  thoughts,
  notes: [],
  answerId: "resp_1",
  siblings: ALONE,
  askedBy: null,
});

describe("a path is shown as turns:", () => {
  test("thoughts, calls and texts between two questions are one answer", () => {
    const entries = [
      entry("q", "user", "?"),
      entry("t", "assistant", "", "hm"),
      entry("a", "assistant", "One"),
      entry("b", "assistant", "Two"),
    ];
    const [turn, ...more] = turnsOf({ entries, answers: [], earlier: false }).turns;
    expect(more).toEqual([]);
    expect(turn?.answer).toMatchObject({ firstId: "t", leafId: "b", text: "One\n\nTwo", thoughts: "hm" });
  });

  test("a question may have no answer, and an answer no question", () => {
    const entries = [entry("hello", "assistant", "Hello"), entry("q1", "user", "?"), entry("q2", "user", "??")];
    const { turns } = turnsOf({ entries, answers: [], earlier: false });
    expect(turns.map((turn) => [turn.question?.id, turn.answer?.leafId])).toEqual([
      [undefined, "hello"],
      ["q1", undefined],
      ["q2", undefined],
    ]);
  });

  test("the rest of a turn above is left for the next page", () => {
    const entries = [entry("rest", "assistant"), entry("q", "user"), entry("a", "assistant")];
    const { turns, from } = turnsOf({ entries, answers: [], earlier: true });
    expect([turns.length, from]).toEqual([1, "q"]);
  });
});

test("the server's page comes the other way round, with marks around thoughts taken off", () => {
  const place = (item_id: string) => ({
    item_id,
    parent_id: null,
    response_id: null,
    created_at: 0,
    siblings: { number: 2, count: 3, previous_id: "x", next_id: "y" },
    asked_by: { id: "user_1", name: null },
  });
  const message = (id: string, role: string, text: string) =>
    ({
      type: "message",
      id,
      role,
      status: "completed",
      content: [{ type: role === "user" ? "input_text" : "output_text", text }],
    }) as never;
  const page = pageOf({
    object: "list",
    data: [message("a", "assistant", "<think>hm</think>Yes"), message("q", "user", "<think>?</think>")],
    places: [place("a"), place("q")],
    responses: [],
    first_id: "a",
    last_id: "q",
    has_more: true,
  });
  expect(page.entries.map(({ id, text, thoughts }) => [id, text, thoughts])).toEqual([
    ["q", "<think>?</think>", ""],
    ["a", "Yes", "hm"],
  ]);
  expect(page.earlier).toBe(true);
  expect(page.entries[0]?.askedBy).toEqual({ id: "user_1", name: null });
  expect(page.entries[0]?.siblings).toEqual({ number: 2, count: 3, previousId: "x", nextId: "y" });
});
