import { describe, expect, test } from "vitest";
import { ThoughtSplitter } from "../src/api/thoughts";

/** What is thought and what is said, when the text comes so many characters at a time. */
function read(text: string, size: number): { thoughts: string; said: string } {
  const splitter = new ThoughtSplitter();
  let thoughts = "";
  let said = "";
  const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
  const take = (piece: ReturnType<ThoughtSplitter["read"]> extends Generator<infer P> ? P : never) => {
    if (piece.type === "thought") thoughts += piece.text;
    else if (piece.type === "text") said += piece.text;
    else [thoughts, said] = [thoughts + said, ""];
  };
  for (const content of pieces) for (const piece of splitter.read({ content })) take(piece);
  for (const piece of splitter.end()) take(piece);
  return { thoughts, said };
}

describe.each([1, 2, 5, 1000])("an answer that comes %i characters at a time", (size) => {
  test("has its marked thoughts apart, and no mark is shown", () => {
    expect(read("<think>\nHm.\n</think>\n\nYes.", size)).toEqual({ thoughts: "\nHm.\n", said: "Yes." });
    expect(read("[THINK]Hm.[/THINK]Yes.", size)).toEqual({ thoughts: "Hm.", said: "Yes." });
  });

  test("may end in its thoughts", () => {
    expect(read("<think>Hm. Or </thi", size)).toEqual({ thoughts: "Hm. Or </thi", said: "" });
  });

  test("whose thoughts the template began is known by the mark that ends them", () => {
    expect(read("Hm.\n</think>\n\nYes.", size)).toEqual({ thoughts: "Hm.", said: "Yes." });
  });

  test("may speak of the marks", () => {
    const text = "Qwen writes `<think>` and `</think>` around its thoughts.\n<b>";
    expect(read(text, size)).toEqual({ thoughts: "", said: text });
  });
});

test("thoughts that the server keeps apart stay apart", () => {
  const splitter = new ThoughtSplitter();
  expect([...splitter.read({ reasoning_content: "Hm." })]).toEqual([{ type: "thought", text: "Hm." }]);
  expect([...splitter.read({ content: "Yes." })]).toEqual([{ type: "text", text: "Yes." }]);
});
