import { expect, test } from "vitest";
import { csv } from "../src/console/pages/people/csv";

test("cells with commas, quotes and line breaks are quoted", () => {
  expect(
    csv([
      ["Rosa, Luna", 'say "hi"', "a\nb"],
      ["plain", 7],
    ]),
  ).toBe('"Rosa, Luna","say ""hi""","a\nb"\r\nplain,7\r\n');
});

test.each(["=HYPERLINK(1)", "+1", "-1", "@x", "\tx"])("a spreadsheet doesn't run %j", (text) => {
  expect(csv([[text]]).startsWith("'")).toBe(true);
});
