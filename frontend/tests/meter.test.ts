import { expect, test } from "vitest";
import { Meter, WordCounter } from "../src/chat/meter";

test("tokens a second count from the first token, so that reading the prompt is not taken for writing", () => {
  const meter = new Meter(0);
  for (let token = 0; token <= 20; token++) meter.add("word ", 2000 + token * 50);
  expect(meter.figures()).toEqual({
    firstToken: 2,
    tokens: 21,
    words: 21,
    tokensPerSecond: 20,
    wordsPerSecond: 20,
  });
});

test("the server's own count of tokens has the last word", () => {
  const meter = new Meter(0);
  meter.add("a", 0);
  meter.add("b", 1000);
  meter.settle(11);
  expect(meter.figures()).toMatchObject({ tokens: 11, tokensPerSecond: 10 });
});

test("no speed is shown while there is too little to divide", () => {
  const meter = new Meter(0);
  expect(meter.figures().firstToken).toBeNull();
  meter.add("a", 100);
  meter.add("b", 110);
  expect(meter.figures().tokensPerSecond).toBeNull();
});

test.each([
  ["The north wind, and the sun.", 6],
  ["L’aquilon souffle", 2],
  ["今日は良い天気です", 4],
  ["Le vent du nord et le soleil. ".repeat(100), 700],
  ["", 0],
])("words are counted alike in one piece and a character at a time: %s", (text, least) => {
  const whole = new WordCounter();
  whole.add(text);
  const pieces = new WordCounter();
  for (const character of text) pieces.add(character);
  expect(pieces.words).toBe(whole.words);
  expect(whole.words).toBeGreaterThanOrEqual(least);
});
