import { describe, expect, test } from "vitest";
import { blocksOf } from "../src/markdown/parse";

const html = (text: string) => blocksOf(text).join("");

describe("markdown becomes HTML that", () => {
  test("holds none of the text's own tags", () => {
    expect(html("<script>alert(1)</script>\n\n<img src=x onerror=alert(1)> and <b>bold</b>")).not.toMatch(
      /<(script|img|b)\b/,
    );
  });

  test.each([
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "[a](//evil.example)",
    "<javascript:alert(1)>",
  ])("links nowhere but to the web and to mail: %s", (text) => {
    expect(html(text)).not.toContain("href");
  });

  test("shows pictures as links, for loading one would tell its server who reads", () => {
    expect(html("![a cat](https://example.org/cat.png)")).toBe(
      '<p dir="auto"><a class="image" href="https://example.org/cat.png">a cat</a></p>',
    );
  });

  test("carries no style attribute, which the security policy would block", () => {
    const table = html("| a | b |\n|:-:|--:|\n| 1 | 2 |");
    expect(table).not.toContain("style");
    expect(table).toContain('class="align-center"');
    expect(table).toContain('class="align-right"');
  });

  test("lets each block find its own direction", () => {
    expect(html("שלום\n\nhello")).toBe('<p dir="auto">שלום</p><p dir="auto">hello</p>');
  });

  test.each([
    ["- שלום\n- hello", '<ul dir="rtl">'],
    ["1. مرحبا\n\n2. hello", '<ol dir="rtl">'],
    ["> שלום", '<blockquote dir="rtl">'],
    ["- [x] שלום\n- [ ] hello", '<ul dir="rtl">'],
    ["- `code` שלום", '<ul dir="rtl">'],
    ["| שלום | b |\n|--|--:|\n| c | 1 |", '<table dir="rtl">'],
    ["| a | שלום |\n|--|--:|\n| c | 1 |", '<table dir="ltr">'],
    ["- 1\n- hello", '<ul dir="ltr">'],
    ["- 1\n- 2", '<ul dir="auto">'],
  ])("puts the marks of a list or quotation on the side where its text begins: %j", (text, opening) => {
    expect(html(text)).toContain(opening);
  });

  test("comes a top-level block at a time", () => {
    expect(blocksOf("# a\nb\n\n- c\n- d\n\n```\ne\n```")).toHaveLength(4);
  });
});

describe("task lists", () => {
  test("show which tasks are done", () => {
    expect(html("- [ ] buy **milk**\n- [x] sleep")).toBe(
      '<ul dir="ltr">\n<li class="task">☐\u00a0buy <strong>milk</strong></li>\n' +
        '<li class="task">☑\u00a0sleep</li>\n</ul>',
    );
  });

  test.each(["[x] no list", "- [y] no task", "- `[x]` code", "- [x](https://example.org)"])("are not: %s", (text) => {
    expect(html(text)).not.toMatch(/[☐☑]/);
  });
});

describe("footnotes", () => {
  test("have their mark in the text and at the note", () => {
    expect(html("Water boils at 100.[^1]\n\n[^1]: At *sea level*.")).toBe(
      '<p dir="auto">Water boils at 100.<sup class="footnote-mark">1</sup></p>' +
        '<p class="footnote" dir="auto"><sup class="footnote-mark">1</sup>At <em>sea level</em>.</p>',
    );
  });

  test("may be named, go over lines, and follow one another", () => {
    const text = html("A[^a] and b[^b].\n\n[^a]: first\n  goes on\n[^b]: second");
    expect(text.match(/<sup class="footnote-mark">[ab]<\/sup>/g)).toHaveLength(4);
    expect(text).toContain("first\ngoes on</p>");
    expect(text).toContain("</sup>second</p>");
  });

  test.each(["a regex [^abc] of letters", "`[^1]`", "[^ 1]", "2[^"])("are not seen in: %s", (text) => {
    expect(html(text)).not.toContain("<sup");
  });

  test("cannot bring in tags or links of their own kind", () => {
    expect(html("[^1]: <img src=x onerror=alert(1)> [a](javascript:alert(1))")).not.toMatch(/<img|href/);
  });
});

describe("numbers", () => {
  test.each(["3,1 %", "20 °C", "1.5 km", "12 kWh", "5 GB", "10 €"])("stay with their unit: %s", (text) => {
    expect(html(`| a |\n|---|\n| ${text} |`)).toContain(text.replace(" ", "\u00a0"));
  });

  test.each(["3 men", "2 models", "`3 %`", "5 go home"])("do not stick to words: %s", (text) => {
    expect(html(text)).not.toContain("\u00a0");
  });
});

describe("formulas", () => {
  test.each([
    ["$a+b$", "a+b"],
    ["\\(a+b\\)", "a+b"],
    ["so $x_1 < 2$.", "x_1 &lt; 2"],
  ])("stand in a line: %s", (text, tex) => {
    expect(html(text)).toContain(`<code class="math">${tex}</code>`);
  });

  test.each(["$$\na\n$$", "\\[\na\n\\]", "$$ a $$"])("stand on lines of their own: %j", (text) => {
    expect(html(text)).toBe('<p class="math-block"><code class="math display">a</code></p>');
  });

  test.each(["It costs $5 and $10.", "US$ 5, CA$ 6", "$ a $", "`$a$`", "\\$a\\$"])("are not seen in: %s", (text) => {
    expect(html(text)).not.toContain('class="math');
  });

  test("cannot bring in tags", () => {
    expect(html("$<img src=x onerror=alert(1)>$")).not.toContain("<img");
  });
});
