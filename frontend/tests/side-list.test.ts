import { describe, expect, test, vi } from "vitest";
import { matching } from "../src/chat/palette/actions";
import { SHORTCUTS } from "../src/chat/shortcuts";
import { byTime, entryRow, heightsFor, inSight, pieces, timeName, topOf } from "../src/chat/sidebar/rows";
import type { ConversationBody } from "../src/chat/sidebar/store";

const NAMES = { today: "Today", yesterday: "Yesterday", lastDays: "Last 7 days", locale: "en" };
const NOW = new Date(2026, 2, 15, 12).getTime();

function conversation(id: string, updated: Date): ConversationBody {
  const seconds = updated.getTime() / 1000;
  return {
    id,
    object: "conversation",
    created_at: seconds,
    updated_at: seconds,
    metadata: {},
    title: id,
    visibility: "user",
    head_id: null,
    pinned: false,
    archived: false,
    project_id: null,
  };
}

test.each([
  [new Date(2026, 2, 15, 0, 1), "Today"],
  [new Date(2026, 2, 16), "Today"],
  [new Date(2026, 2, 14, 23, 59), "Yesterday"],
  [new Date(2026, 2, 8), "Last 7 days"],
  [new Date(2026, 2, 7), "March"],
  [new Date(2025, 11, 31), "December 2025"],
])("a conversation of %s stands under %s", (time, name) => {
  expect(timeName(time.getTime() / 1000, NOW, NAMES)).toBe(name);
});

test("a month begins with a capital in every language", () => {
  expect(timeName(new Date(2026, 0, 2).getTime() / 1000, NOW, { ...NAMES, locale: "fr" })).toBe("Janvier");
});

test("each time is named once, above its conversations", () => {
  const [today, also, before] = [new Date(NOW), new Date(2026, 2, 15, 1), new Date(2026, 2, 14)];
  const rows = byTime([conversation("a", today), conversation("b", also), conversation("c", before)], NOW, NAMES);
  expect(rows.map((row) => (row.kind === "heading" ? row.text : row.key))).toEqual([
    "Today",
    "recent a",
    "recent b",
    "Yesterday",
    "recent c",
  ]);
});

test("thousands of times are named with the same few formats, which are slow to make", () => {
  const entries = Array.from({ length: 3000 }, (_, index) =>
    conversation(`${index}`, new Date(NOW - index * 86_400_000)),
  );
  const { DateTimeFormat } = Intl;
  const make = vi.spyOn(Intl, "DateTimeFormat").mockImplementation(function (...given) {
    return new DateTimeFormat(...given);
  });
  expect(byTime(entries, NOW, { ...NAMES, locale: "de" }).length).toBeGreaterThan(3000);
  expect(make.mock.calls.length).toBeLessThanOrEqual(2);
  make.mockRestore();
});

describe("of 10,000 rows", () => {
  const rows = Array.from({ length: 10_000 }, (_, index) =>
    entryRow(conversation(`${index}`, new Date(NOW)), "recent"),
  );

  test.each([0, 4000, 399_000, 10 ** 9])("only those around the sight at %i are drawn", (top) => {
    const heights = heightsFor(false);
    const sight = inSight(rows, heights, top, 800);
    expect(sight.height).toBe(10_000 * heights.entry);
    expect(sight.end - sight.first).toBeLessThan(40);
    expect(sight.above).toBe(topOf(rows, heights, sight.first));
    if (top < sight.height) {
      expect(sight.above).toBeLessThanOrEqual(top);
      expect(topOf(rows, heights, sight.end)).toBeGreaterThanOrEqual(Math.min(top + 800, sight.height));
    }
  });
});

test("marks count code points, so that an emoji before them shifts nothing", () => {
  expect(pieces("🌲🌲 forêt", [[3, 8]])).toEqual([
    { text: "🌲🌲 ", marked: false },
    { text: "forêt", marked: true },
  ]);
  expect(pieces("plain", [])).toEqual([{ text: "plain", marked: false }]);
});

test("a command is found by its words in any order, without capitals and accents", () => {
  const actions = ["Thème sombre", "Nouvelle conversation"].map((label) => ({
    id: label,
    label,
    run: () => undefined,
  }));
  expect(matching(actions, "SOMBRE theme").map(({ label }) => label)).toEqual(["Thème sombre"]);
  expect(matching(actions, "")).toHaveLength(2);
});

test("no key press is two shortcuts of the page", () => {
  const page = [
    SHORTCUTS.new,
    SHORTCUTS.focus,
    SHORTCUTS.palette,
    SHORTCUTS.side,
    SHORTCUTS.show,
    SHORTCUTS.showBySign,
  ];
  const press = (key: string, more: Partial<KeyboardEvent> = {}) =>
    ({ key, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more }) as KeyboardEvent;
  for (const event of [
    press("k", { ctrlKey: true }),
    press("k", { metaKey: true }),
    press("/", { ctrlKey: true }),
    press("/"),
    press("?", { shiftKey: true }),
    press("n", { altKey: true, code: "KeyN" }),
    press("∫", { altKey: true, code: "KeyB" }),
  ]) {
    expect([event.key, page.filter(({ pressed }) => pressed(event)).length]).toEqual([event.key, 1]);
  }
});
