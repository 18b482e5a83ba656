import { describe, expect, test } from "vitest";
import { BlockSplitter } from "../src/markdown/blocks";

/** Feeds a text a few characters at a time; what was frozen after each step, and the last tail. */
function stream(text: string, step = 3): { frozen: string[]; tail: string } {
  const splitter = new BlockSplitter();
  const frozen: string[] = [];
  let tail = "";
  for (let end = step; end < text.length + step; end += step) {
    const split = splitter.update(text.slice(0, end));
    frozen.push(...split.frozen);
    tail = split.tail;
  }
  return { frozen, tail };
}

describe("a growing text is split so that", () => {
  test("frozen pieces and tail are the whole text, whatever the pieces it came in", () => {
    const text = "# A\n\nb\n\n- c\n\n- d\n\n```\ne\n\nf\n```\n\ng\n\n$$\nh\n\ni\n$$\n\nj";
    for (const step of [1, 2, 3, 7, 1000]) {
      const { frozen, tail } = stream(text, step);
      expect(frozen.join("") + tail).toBe(text);
    }
  });

  test("a paragraph is frozen at the blank line behind it", () => {
    expect(stream("one\ntwo\n\nthree")).toEqual({ frozen: ["one\ntwo\n\n"], tail: "three" });
  });

  test("each block is a piece, also of a text that comes at once", () => {
    expect(stream("one\n\n# two\n\n- three\n\n\nfour\n", 1000).frozen).toEqual([
      "one\n\n",
      "# two\n\n",
      "- three\n\n\n",
    ]);
  });

  test("a blank line within a fence freezes nothing", () => {
    expect(stream("```py\na\n\nb")).toEqual({ frozen: [], tail: "```py\na\n\nb" });
    expect(stream("```py\na\n\nb\n```\n\nc").tail).toBe("c");
  });

  test("a fence ends only at one as long, of the same sign", () => {
    expect(stream("````\n```\n\n~~~~\n\nx").frozen).toEqual([]);
    expect(stream("````\n```\n\n````\n\nx").tail).toBe("x");
  });

  test("a blank line within a display formula freezes nothing", () => {
    expect(stream("$$\na\n\nb").frozen).toEqual([]);
    expect(stream("\\[\na\n\nb\n\\]\n\nc").tail).toBe("c");
  });

  test("a list stays one block until something else begins", () => {
    expect(stream("1. a\n\n2. b\n\n   more of b\n\n3. c").frozen).toEqual([]);
    expect(stream("1. a\n\n2. b\n\nNot the list.\n", 1)).toEqual({
      frozen: ["1. a\n\n2. b\n\n"],
      tail: "Not the list.\n",
    });
  });

  test("an open fence is told from one that has ended", () => {
    const splitter = new BlockSplitter();
    expect(splitter.update("text\n\n```js\nlet a").openFence).toBe(true);
    expect(splitter.update("text\n\n```js\nlet a\n```\n").openFence).toBe(false);
  });
});

test("32 KB of prose, code and lists that arrive a token at a time leave little to render again", () => {
  const part =
    "A paragraph of some sixty characters, as models like to write.\n\n- one\n- two\n\n```js\nlet a = 1;\n```\n\n";
  const text = part.repeat(Math.ceil(32_768 / part.length));
  const splitter = new BlockSplitter();
  let frozen = 0;
  let longest = 0;
  for (let end = 4; end <= text.length; end += 4) {
    const split = splitter.update(text.slice(0, end));
    frozen += split.frozen.join("").length;
    longest = Math.max(longest, split.tail.length);
  }
  expect(longest).toBeLessThan(2 * part.length);
  expect(frozen).toBeGreaterThan(text.length - 2 * part.length);
});
