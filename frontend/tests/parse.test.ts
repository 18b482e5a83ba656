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

  test("comes a top-level block at a time", () => {
    expect(blocksOf("# a\nb\n\n- c\n- d\n\n```\ne\n```")).toHaveLength(4);
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
