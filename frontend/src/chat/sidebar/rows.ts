/** The side list as rows of known height, of which only those in sight are drawn. */
import type { ConversationBody, ProjectBody } from "./store";

export type Row =
  | { kind: "heading"; key: string; text: string; action?: "newProject" }
  | { kind: "project"; key: string; project: ProjectBody; open: boolean }
  | { kind: "entry"; key: string; entry: ConversationBody; inside: boolean }
  | { kind: "note"; key: string; text: string; inside: boolean }
  | { kind: "more"; key: string; projectId: string }
  | { kind: "archive"; key: string };

export type Heights = Record<Row["kind"], number>;

/** Pixels, as app.css has them for what a pointer presses and for what a finger does. */
export function heightsFor(finger: boolean): Heights {
  const row = finger ? 44 : 40;
  return { heading: row, project: row, entry: row, note: row, more: row, archive: row + 8 };
}

export interface Sight {
  first: number;
  /** Behind the last row. */
  end: number;
  /** Pixels above the first row. */
  above: number;
  /** Of all rows. */
  height: number;
}

/** Which rows are between two heights, with some around them. */
export function inSight(rows: readonly Row[], heights: Heights, top: number, height: number, around = 240): Sight {
  let [position, first, end, above] = [0, rows.length, rows.length, 0];
  rows.forEach((row, index) => {
    const below = position + heights[row.kind];
    if (first === rows.length && below > top - around) [first, above] = [index, position];
    if (end === rows.length && position > top + height + around) end = index;
    position = below;
  });
  if (first === rows.length) above = position;
  return { first, end: Math.max(end, first), above, height: position };
}

/** How far down a row begins. */
export function topOf(rows: readonly Row[], heights: Heights, index: number): number {
  return rows.slice(0, index).reduce((height, row) => height + heights[row.kind], 0);
}

export interface TimeNames {
  today: string;
  yesterday: string;
  lastDays: string;
  locale: string;
}

/** "Today", "Yesterday", "Last 7 days", then the month. `now` in milliseconds, `seconds` since 1970. */
export function timeName(seconds: number, now: number, names: TimeNames): string {
  const time = new Date(seconds * 1000);
  const today = new Date(now);
  const days = Math.round((startOfDay(today) - startOfDay(time)) / 86_400_000);
  if (days <= 0) return names.today;
  if (days === 1) return names.yesterday;
  if (days <= 7) return names.lastDays;
  return monthName(time, time.getFullYear() !== today.getFullYear(), names.locale);
}

function monthName(time: Date, withYear: boolean, locale: string): string {
  const name = formatOf(locale, withYear).format(time);
  return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Made once: a format takes a tenth of a millisecond, and the list has thousands of times. */
function formatOf(locale: string, withYear: boolean): Intl.DateTimeFormat {
  const key = `${locale} ${withYear}`;
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat(locale, { month: "long", ...(withYear ? { year: "numeric" } : {}) });
    formats.set(key, format);
  }
  return format;
}

function startOfDay(time: Date): number {
  return Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
}

/** The entries, the latest first, under the names of their times. */
export function byTime(entries: readonly ConversationBody[], now: number, names: TimeNames): Row[] {
  const rows: Row[] = [];
  let name = "";
  for (const entry of entries) {
    const own = timeName(entry.updated_at, now, names);
    if (own !== name) rows.push({ kind: "heading", key: `time ${own}`, text: own });
    name = own;
    rows.push(entryRow(entry, "recent"));
  }
  return rows;
}

export function entryRow(entry: ConversationBody, section: string, inside = false): Row {
  return { kind: "entry", key: `${section} ${entry.id}`, entry, inside };
}

/** A snippet cut at its marks, which count Unicode code points. */
export function pieces(text: string, marks: readonly (readonly number[])[]): { text: string; marked: boolean }[] {
  const points = Array.from(text);
  const cut: { text: string; marked: boolean }[] = [];
  let position = 0;
  for (const [begin = 0, end = 0] of marks) {
    cut.push({ text: points.slice(position, begin).join(""), marked: false });
    cut.push({ text: points.slice(begin, end).join(""), marked: true });
    position = end;
  }
  cut.push({ text: points.slice(position).join(""), marked: false });
  return cut.filter((piece) => piece.text !== "");
}
