import { beforeAll, describe, expect, test, vi } from "vitest";
import { changeLanguage } from "../src/i18n/catalogue.svelte";
import { money } from "../src/console/words";

vi.stubGlobal("navigator", { languages: ["fr"] });

const CENTS_50 = 50 * 1e6;

describe("an amount", () => {
  beforeAll(() => changeLanguage("fr"));

  test.each([
    [CENTS_50, "CHF", "0,50\u00a0CHF"],
    [CENTS_50 / 10_000, "CHF", "0,000050\u00a0CHF"],
    [CENTS_50, null, "0,50 (devise inconnue)"],
    [CENTS_50, undefined, "0,50"],
  ])("of %d millionths of a cent in %s is %s", (microcents, currency, said) => {
    expect(money(microcents, currency)).toBe(said);
  });
});
