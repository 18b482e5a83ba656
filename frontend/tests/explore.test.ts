import { describe, expect, test } from "vitest";
import type { TokenPiece } from "../src/api/schema";
import { countWords, labelOf, readable, visible } from "../src/explore/lib/pieces";
import { chances, restOf, shadeOf } from "../src/explore/lib/probabilities";
import { lampSeconds, wattHours } from "../src/explore/tour/energy";
import { fresh, keep, read, score } from "../src/explore/tour/progress";
import { areAlike, fieldsOf, type Side } from "../src/explore/compare/sides";
import { twigs } from "../src/explore/inside/tree";
import type { Branch } from "../src/explore/inside/branches.svelte";

const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
const piece = (bytes: number[], control = false): TokenPiece => ({ id: 1, text: "", bytes, control });

describe("a text's tokens", () => {
  test("show characters that leave no mark of their own", () => {
    expect(visible(" a\n\t\u0000\u200b\u00a0\u202e\u007f")).toBe("␣a↵⇥⟨U+0000⟩⟨U+200B⟩⍽⟨U+202E⟩⟨U+007F⟩");
  });

  test("show an accent that stands alone on a circle, and one on its letter as it is", () => {
    expect(visible("\u0301")).toBe("◌\u0301");
    expect(visible("e\u0301")).toBe("e\u0301");
  });

  test("show bytes that are parts of a character as bytes, and name the character", () => {
    const [first, second, third] = bytesOf("🌬").length === 4 ? [[0xf0, 0x9f], [0x8c], [0xac]] : [[], [], []];
    const shown = readable([piece(bytesOf("a")), piece(first), piece(second), piece(third), piece(bytesOf("é"))]);
    expect(shown.map(({ label, partOf }) => [label, partOf])).toEqual([
      ["a", null],
      ["⟨F0 9F⟩", "🌬"],
      ["⟨8C⟩", "🌬"],
      ["⟨AC⟩", "🌬"],
      ["é", null],
    ]);
  });

  test("show bytes that make no character together without one", () => {
    expect(readable([piece([0xff]), piece([0x61])]).map(({ label, partOf }) => [label, partOf])).toEqual([
      ["⟨FF⟩", null],
      ["a", null],
    ]);
    expect(labelOf([0x20, 0xe2, 0x80])).toBe("␣⟨E2 80⟩");
  });

  test("name a control token", () => {
    expect(readable([{ id: 2, text: "<|im_end|>", bytes: [], control: true }])[0]?.label).toBe("<|im_end|>");
  });

  test("are counted beside words as the language finds them", () => {
    expect(countWords("L’aquilon souffle, froid.", "fr")).toBe(3);
    expect(countWords("", "en")).toBe(0);
  });
});

describe("the chances of the next token", () => {
  const logprobs = [0.5, 0.3, 0.15].map(Math.log);
  const shares = (temperature: number, topP = 1) =>
    chances(logprobs, temperature, topP).map(({ probability }) => Number(probability.toFixed(3)));

  test("at temperature 1 are the model's own, among those given", () => {
    expect(shares(1)).toEqual([0.526, 0.316, 0.158]);
  });

  test("at temperature 0 are all the first's", () => {
    expect(shares(0)).toEqual([1, 0, 0]);
  });

  test("grow more alike with heat, keep their order, and sum to one", () => {
    const [cold, hot] = [shares(0.5), shares(2)];
    expect(cold[0]).toBeGreaterThan(hot[0]!);
    expect(hot).toEqual([...hot].sort((one, other) => other - one));
    expect(hot.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 2);
  });

  test("are cut by top_p after the token that reaches it; the first always stays", () => {
    expect(shares(1, 0.6)).toEqual([0.625, 0.375, 0]);
    expect(shares(1, 0)).toEqual([1, 0, 0]);
  });

  test("leave a rest for all other tokens, and none below nothing", () => {
    expect(restOf(logprobs)).toBeCloseTo(0.05);
    expect(restOf([0, 0])).toBe(0);
    expect(chances([], 1, 1)).toEqual([]);
  });

  test("shade a token by how unlikely it was", () => {
    expect([0, Math.log(0.5), -30].map(shadeOf)).toEqual([0, 5, 10]);
  });
});

test("branches are listed below the one that they leave", () => {
  const token = (text: string) => ({ token: text, token_id: 1, bytes: bytesOf(text), logprob: 0, top_logprobs: [] });
  const branch = (number: number, parent: number | null, words: string[]): Branch => ({
    number,
    parent,
    at: 1,
    tokens: words.map(token),
    state: "finished",
    reason: "stop",
  });
  const all = [
    branch(0, null, ["a", "b"]),
    branch(1, 0, ["a", "c"]),
    branch(2, 0, ["a", "d"]),
    branch(3, 1, ["a", "e"]),
  ];
  expect(twigs(all).map(({ branch: { number }, depth, swap }) => [number, depth, swap])).toEqual([
    [0, 0, null],
    [1, 1, { from: "b", to: "c" }],
    [3, 2, { from: "c", to: "e" }],
    [2, 1, { from: "b", to: "d" }],
  ]);
});

test("a side's language is part of its instructions, for the model and for the leaderboard", () => {
  const side: Side = { model: "m", temperature: 0.2, instructions: " Be brief. ", language: "fr" };
  expect(fieldsOf(side).instructions).toBe("Be brief.\nRépondez en français.");
  expect(areAlike(side, { ...side, instructions: "Be brief." })).toBe(true);
  expect(areAlike(side, { ...side, language: "" })).toBe(false);
});

describe("the tour's progress", () => {
  const storage = (value: string | null) => ({ getItem: () => value });

  test("is kept and read again", () => {
    let kept = "";
    keep({ step: 2, answers: [0, null, 1] }, { setItem: (_key, value) => (kept = value) });
    expect(read(3, 3, storage(kept))).toEqual({ step: 2, answers: [0, null, 1] });
  });

  test.each([null, "", "{", "7", '{"step":9,"answers":[null,null,null]}', '{"step":0,"answers":[5,null,null]}'])(
    "begins anew where %j was kept",
    (value) => {
      expect(read(3, 3, storage(value))).toEqual(fresh(3));
    },
  );

  test("scores right answers alone", () => {
    expect(score([1, 2, null], [1, 0, 0])).toBe(1);
  });
});

test("energy is power times time", () => {
  expect(wattHours(60, 60)).toBe(1);
  expect(lampSeconds(50, 4)).toBe(20);
});
