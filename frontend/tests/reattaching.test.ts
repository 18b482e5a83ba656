import { describe, expect, test } from "vitest";
import { Problem } from "../src/api/problem";
import type { ResponseEvent } from "../src/api/responses";
import { reattaching } from "../src/chat/reattaching";

const END = { status: "completed", model: "m", usage: null, error: null, incomplete: null } as const;
const LAST = { ...END, text: "", thoughts: "", annotations: [], firstId: null, leafId: null };

/** An answer of ten words, as the server numbers its events. */
const WHOLE: ResponseEvent[] = [
  { type: "begun", number: 0, id: "resp_1", model: "m" },
  ...Array.from({ length: 10 }, (_, word) => ({
    type: "text" as const,
    number: word + 1,
    text: `w${word} `,
    pieces: 1,
  })),
  { type: "end", number: 11, end: LAST },
];

/** A connection that breaks off after so many events each time, and then holds. */
function breaking(after: number[], { overlap = 0, refusal = "interrupted" as Problem["kind"] } = {}) {
  const asked: [string, number][] = [];
  const pauses: number[] = [];
  const lost: boolean[] = [];
  async function* events(from: number) {
    const budget = after.shift() ?? WHOLE.length;
    for (const event of WHOLE.slice(from, from + budget)) yield await Promise.resolve(event);
    if (from + budget < WHOLE.length) throw new Problem(refusal, "gone");
  }
  return {
    asked,
    pauses,
    lost,
    begun: 0,
    begin() {
      this.begun += 1;
      return events(0);
    },
    resume: (id: string, last: number) => {
      asked.push([id, last]);
      return events(Math.max(0, last + 1 - overlap));
    },
    pause: (milliseconds: number) => {
      pauses.push(milliseconds);
      return Promise.resolve();
    },
    onLost: (now: boolean) => void lost.push(now),
  };
}

async function collect(connection: ReturnType<typeof breaking>, id: string | null = null): Promise<ResponseEvent[]> {
  const events: ResponseEvent[] = [];
  for await (const event of reattaching(connection, id)) events.push(event);
  return events;
}

describe("an answer whose connection is lost", () => {
  test.each([[[1]], [[4]], [[4, 0, 0, 2]], [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]])(
    "after %j events arrives whole, each event once",
    async (after) => {
      const connection = breaking([...after]);
      expect(await collect(connection)).toEqual(WHOLE);
      expect(connection.lost.at(-1)).toBe(false);
    },
  );

  test("before its first event is begun again, a few times", async () => {
    const connection = breaking([0, 0, 0, 4]);
    expect(await collect(connection)).toEqual(WHOLE);
    expect([connection.begun, connection.asked]).toEqual([4, [["resp_1", 3]]]);
    expect(connection.lost).toEqual([true, false, true, false]);
  });

  test("is given up soon where no server can be reached, and at once where one refuses", async () => {
    for (const [refusal, times] of [
      ["unreachable", 2],
      ["unsaved", 1],
      ["interrupted", 5],
    ] as const) {
      const connection = breaking([0, 0, 0, 0, 0], { refusal });
      await expect(collect(connection)).rejects.toThrow("gone");
      expect(connection.begun).toBe(times);
    }
  });

  test("whose session ended is asked for once more: there may be another session", async () => {
    expect(await collect(breaking([4], { refusal: "signedOut" }))).toEqual(WHOLE);
    const connection = breaking([4, 0], { refusal: "signedOut" });
    await expect(collect(connection)).rejects.toThrow("gone");
    expect(connection.asked).toEqual([["resp_1", 3]]);
  });

  test("is asked for from the last event on", async () => {
    const connection = breaking([3, 2]);
    await collect(connection);
    expect(connection.asked).toEqual([
      ["resp_1", 2],
      ["resp_1", 4],
    ]);
  });

  test("shows nothing twice that the server sends again", async () => {
    expect(await collect(breaking([5], { overlap: 3 }))).toEqual(WHOLE);
  });

  test("is looked for ever more rarely while nobody answers, and at once after a success", async () => {
    const connection = breaking([2, 0, 0, 0, 1]);
    await collect(connection);
    expect(connection.pauses).toEqual([500, 1000, 2000, 4000, 500]);
    expect(connection.lost).toEqual([true, false, true, false]);
  });

  test("that is known by its name is followed from its first event on", async () => {
    expect(await collect(breaking([0]), "resp_1")).toEqual(WHOLE);
  });

  test("is given up where the server says no", async () => {
    const connection = breaking([4], { refusal: "forbidden" });
    await expect(collect(connection)).rejects.toMatchObject({ kind: "forbidden" });
  });
});
