import { describe, expect, test } from "vitest";
import { artifactsOf, csvOf, fileName, isVersion } from "../src/chat/artifacts/artifacts";
import { notesOf } from "../src/chat/documents/notes";
import { languageOf, spoken } from "../src/chat/speech/speech.svelte";

const LONG = Array.from({ length: 15 }, (_, line) => `  line(${line});`).join("\n");

describe("Artifacts", () => {
  test("are long code, pages, drawings, documents and tables, in their order", () => {
    const text = `\`\`\`js\nshort\n\`\`\`\n~~~js\nfunction long() {\n${LONG}\n}\n~~~\n\n|a|b|\n|-|-|\n|1|2|\n\n\`\`\`html\n<p>x\n\`\`\``;
    expect(artifactsOf(text).map(({ kind, name }) => [kind, name])).toEqual([
      ["code", "long"],
      ["table", "a, b"],
      ["html", ""],
    ]);
  });

  test("an unfinished fence reaches to the end, and a fence inside a longer one is its text", () => {
    expect(artifactsOf("```svg\n<svg>")).toMatchObject([{ kind: "svg", source: "<svg>" }]);
    expect(artifactsOf("````md\n# Title\n```html\n<p>\n```\n````")).toMatchObject([
      { kind: "markdown", name: "Title" },
    ]);
  });

  test("of one name, or with many lines in common, are versions; of another language never", () => {
    const [one] = artifactsOf(`\`\`\`js\n${LONG}\n\`\`\``);
    const [other] = artifactsOf(`\`\`\`js\n${LONG.replace("line(3)", "changed(3)")}\n\`\`\``);
    expect(isVersion(one!, other!)).toBe(true);
    expect(isVersion(one!, { ...other!, language: "ts" })).toBe(false);
    expect(isVersion(one!, { ...other!, source: "nothing\nof\nit" })).toBe(false);
  });

  test("a table's file keeps formulas as text and quotes what CSV would split", () => {
    const [table] = artifactsOf("| a, b | c |\n|---|---|\n| =1+1 | -5 |\n| x \\| y | `-2+3` |");
    expect(csvOf(table!)).toBe('"a, b",c\r\n\'=1+1,-5\r\nx | y,`-2+3`');
  });

  test("no name of a model's becomes a path", () => {
    expect(fileName({ kind: "html", language: "html", source: "", name: "../../etc/passwd" })).toBe("etc-passwd.html");
    expect(fileName({ kind: "code", language: "rust", source: "", name: "///" })).toBe("artifact.rs");
  });
});

test("only citations of files become footnotes", () => {
  const note = { type: "file_citation", number: 2, filename: "a.md", support: "unsupported", page: null };
  expect(notesOf([note, { type: "url_citation" }, { type: "file_citation" }])).toMatchObject([
    { number: 2, filename: "a.md", support: "unsupported", page: null },
  ]);
});

test("an answer is read aloud without code, tables' rules, marks and signs", () => {
  expect(spoken("# Wind\n\nIt **blows** [north](https://x.org) [1].\n\n```js\nlet a;\n```\n\n|a|\n|-|")).toEqual([
    "Wind",
    "It blows north .",
    "a",
  ]);
});

test.each([
  ["en", "The wind is not the same as that of the sea."],
  ["fr", "Le vent est plus fort dans les vallées que sur la mer."],
  ["de", "Der Wind ist nicht so stark wie die Wellen und das Meer."],
  ["es", "El viento es más fuerte por los valles que en el mar."],
  ["it", "Il vento è più forte nella valle che sul mare."],
])("knows %s by its commonest words", (language, text) => expect(languageOf(text, "en")).toBe(language));
