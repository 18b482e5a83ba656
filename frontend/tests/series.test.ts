import { expect, test } from "vitest";
import type { UsageEntry } from "../src/console/api/usage";
import { MOST_SERIES, seriesOf, times, totalsOf } from "../src/console/parts/series";

const DAY = 86_400;

const entry = (day: number, model: string, tokens: number): UsageEntry => ({
  starts_at: day * DAY,
  model,
  requests: 1,
  batch_requests: 0,
  prompt_tokens: tokens,
  cached_tokens: 0,
  completion_tokens: 0,
  cost_microcents: 0,
});
const name = (each: UsageEntry) => each.model ?? "";
const tokens = (each: UsageEntry) => each.prompt_tokens;

test("every day has its place, those without usage too", () => {
  expect(times(2 * DAY, 4 * DAY + 5, DAY)).toEqual([2 * DAY, 3 * DAY, 4 * DAY]);
  const at = times(0, 3 * DAY, DAY);
  expect(seriesOf([entry(0, "a", 3), entry(2, "a", 4)], at, tokens, name, "rest")).toEqual([
    { name: "a", values: [3, 0, 4] },
  ]);
});

test("what is too much to tell apart is one series, and nothing is lost", () => {
  const entries = Array.from({ length: 10 }, (_, index) => entry(0, `model ${index}`, index + 1));
  const series = seriesOf(entries, [0], tokens, name, "rest");
  expect(series).toHaveLength(MOST_SERIES);
  expect(series[0]).toEqual({ name: "model 9", values: [10] });
  expect(series.at(-1)?.name).toBe("rest");
  expect(series.reduce((sum, each) => sum + (each.values[0] ?? 0), 0)).toBe(55);
});

test("the table sums up by name, the largest first", () => {
  const rows = totalsOf([entry(0, "a", 1), entry(1, "b", 5), entry(2, "a", 2)], name);
  expect(rows.map((row) => [row.name, row.requests, row.read])).toEqual([
    ["b", 1, 5],
    ["a", 2, 3],
  ]);
});
