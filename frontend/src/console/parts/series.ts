/** Usage as the chart and the table show it: days in a row, one line of figures for each model, key or member. */
import type { Facet, UsageEntry } from "../api/usage";

export const MEASURES = ["tokens", "requests", "cost"] as const;
export type Measure = (typeof MEASURES)[number];

export interface Totals {
  name: string;
  requests: number;
  read: number;
  cached: number;
  written: number;
  /** Millionths of a cent. */
  cost: number;
}

export interface Series {
  name: string;
  /** One for each time. */
  values: number[];
}

/** Shown by themselves in the chart; the rest is one series. */
export const MOST_SERIES = 6;

export function measured(entry: UsageEntry, measure: Measure): number {
  if (measure === "requests") return entry.requests;
  return measure === "cost" ? entry.cost_microcents : entry.prompt_tokens + entry.completion_tokens;
}

/** What an entry is told apart by; requests without a key have none to name. */
export function nameOf(entry: UsageEntry, by: Facet | null, words: { all: string; noKey: string }): string {
  if (by === null) return words.all;
  const name = entry[by];
  return name == null || name === "" ? words.noKey : name;
}

/** The first second of each span from `since` on and before `until`. */
export function times(since: number, until: number, seconds: number): number[] {
  const begin = Math.floor(since / seconds) * seconds;
  return Array.from(
    { length: Math.max(0, Math.ceil((until - begin) / seconds)) },
    (_, index) => begin + index * seconds,
  );
}

/** The largest first; what is beyond the most that a chart can tell apart is summed up as the last, under `rest`. */
export function seriesOf(
  entries: readonly UsageEntry[],
  at: readonly number[],
  value: (entry: UsageEntry) => number,
  name: (entry: UsageEntry) => string,
  rest: string,
): Series[] {
  const place = new Map(at.map((time, index) => [time, index]));
  const byName = new Map<string, number[]>();
  for (const entry of entries) {
    const index = place.get(entry.starts_at);
    if (index === undefined) continue;
    const values = byName.get(name(entry)) ?? Array.from(at, () => 0);
    values[index] = (values[index] ?? 0) + value(entry);
    byName.set(name(entry), values);
  }
  const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
  const sorted = [...byName]
    .map(([key, values]) => ({ name: key, values }))
    .sort((a, b) => sum(b.values) - sum(a.values));
  if (sorted.length <= MOST_SERIES) return sorted;
  const beyond = sorted.slice(MOST_SERIES - 1);
  const values = at.map((_, index) => sum(beyond.map((each) => each.values[index] ?? 0)));
  return [...sorted.slice(0, MOST_SERIES - 1), { name: rest, values }];
}

/** One row for each name, the one with the most tokens first. */
export function totalsOf(entries: readonly UsageEntry[], name: (entry: UsageEntry) => string): Totals[] {
  const byName = new Map<string, Totals>();
  for (const entry of entries) {
    const key = name(entry);
    const row = byName.get(key) ?? { name: key, requests: 0, read: 0, cached: 0, written: 0, cost: 0 };
    row.requests += entry.requests;
    row.read += entry.prompt_tokens;
    row.cached += entry.cached_tokens;
    row.written += entry.completion_tokens;
    row.cost += entry.cost_microcents;
    byName.set(key, row);
  }
  return [...byName.values()].sort((a, b) => b.read + b.written - (a.read + a.written));
}
