import { beforeAll, expect, test } from "vitest";
import { byName } from "../src/console/words";
import { percent } from "../src/explore/parts/percent";
import { preferences } from "../src/preferences.svelte";

beforeAll(() => {
  preferences.language = "en";
});

test("people stand in the order of the language, whatever the case and the accents of their names", () => {
  const names = ["Zoë", "admin", "Émile", "Bruno", "Eva", "Person 10", "Person 9"].map((name) => ({ name }));
  expect(byName(names).map(({ name }) => name)).toEqual([
    "admin",
    "Bruno",
    "Émile",
    "Eva",
    "Person 9",
    "Person 10",
    "Zoë",
  ]);
});

test.each([
  [0, "0%"],
  [0.00001, "< 0.01%"],
  [0.0003, "0.03%"],
  [0.02, "2.0%"],
  [0.214, "21.4%"],
  [1, "100%"],
])("a probability of %d is written %s, so that columns of them align", (share, said) => {
  expect(percent(share)).toBe(said);
});
