import { describe, expect, test } from "vitest";
import { en as consoleEn } from "../src/console/i18n/en";
import { fr as consoleFr } from "../src/console/i18n/fr";
import { CATALOGUES, preferredLanguage } from "../src/i18n/catalogue.svelte";
import { DOCS_TEXTS } from "../src/docs/texts";
import { en } from "../src/i18n/en";
import { SIGN_IN_TEXTS } from "../src/i18n/sign-in";

const sources = import.meta.glob<string>(
  [
    "../src/**/*.{ts,svelte}",
    "!../src/**/i18n/??.ts",
    "!../src/**/texts/??.ts",
    "!../src/i18n/sign-in.ts",
    "!../src/docs/texts.ts",
  ],
  {
    query: "?raw",
    import: "default",
    eager: true,
  },
);
const code = Object.values(sources).join("\n");

/** Every catalogue that is loaded a language at a time: by folder and language. */
const LOADED = Object.entries(
  import.meta.glob<Record<string, string>>("../src/**/texts/??.ts", { import: "texts", eager: true }),
).map(([path, texts]) => {
  const [, folder, language] = /src\/(.*)\/texts\/(..)\.ts$/.exec(path)!;
  return { folder: folder!, language: language!, texts };
});
const englishOf = (folder: string) => LOADED.find((one) => one.folder === folder && one.language === "en")?.texts ?? {};

const ALL: [string, Record<string, string>, Record<string, string>][] = [
  ...Object.entries(CATALOGUES).map(([name, texts]): [string, typeof texts, typeof en] => [name, texts, en]),
  ...LOADED.map(({ folder, language, texts }): [string, typeof texts, typeof texts] => [
    `${language}, of ${folder}`,
    texts,
    englishOf(folder),
  ]),
  ["en, of the console", consoleEn, consoleEn],
  ["fr, of the console", consoleFr, consoleEn],
  ["en, of signing in", SIGN_IN_TEXTS.en, SIGN_IN_TEXTS.en],
  ["fr, of signing in", SIGN_IN_TEXTS.fr, SIGN_IN_TEXTS.en],
  ["en, of the reference", DOCS_TEXTS.en, DOCS_TEXTS.en],
  ["fr, of the reference", DOCS_TEXTS.fr, DOCS_TEXTS.en],
];

const marks = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([mark]) => mark).sort();

describe.each(ALL)("the texts in %s", (_language, catalogue, english) => {
  test("have the keys of all others", () => {
    expect(Object.keys(catalogue).sort()).toEqual(Object.keys(english).sort());
  });

  test("leave the same places to fill in", () => {
    for (const [key, text] of Object.entries(catalogue)) {
      expect([key, marks(text)]).toEqual([key, marks(english[key] ?? "")]);
    }
  });

  test("say something", () => {
    for (const [key, text] of Object.entries(catalogue)) expect([key, text.trim()]).not.toEqual([key, ""]);
  });
});

test("French has a no-break space before double signs and within its quotation marks", () => {
  const loaded = LOADED.filter(({ language }) => language === "fr").flatMap(({ texts }) => Object.entries(texts));
  const fixed = { ...CATALOGUES.fr, ...consoleFr, ...SIGN_IN_TEXTS.fr, ...DOCS_TEXTS.fr };
  for (const [key, text] of [...loaded, ...Object.entries(fixed)]) {
    expect([key, /[^\u00a0][;:!?»](?!\/)|«[^\u00a0]/.test(text.replace(/`[^`]*`/g, ""))]).toEqual([key, false]);
  }
});

test("no text is left unused", () => {
  expect(
    [
      ...LOADED.flatMap(({ language, texts }) => (language === "en" ? Object.keys(texts) : [])),
      ...Object.keys({ ...en, ...consoleEn, ...SIGN_IN_TEXTS.en, ...DOCS_TEXTS.en }),
    ].filter((key) => !code.includes(`"${key}"`)),
  ).toEqual([]);
});

test("every catalogue is there in every language", () => {
  const folders = [...new Set(LOADED.map(({ folder }) => folder))];
  for (const folder of folders) {
    const there = LOADED.filter((one) => one.folder === folder).map(({ language }) => language);
    expect([folder, there.sort()]).toEqual([folder, ["de", "en", "es", "fr", "it"]]);
  }
});

test("no component speaks past the catalogue", () => {
  for (const [name, source] of Object.entries(sources)) {
    if (!name.endsWith(".svelte")) continue;
    const markup = source.replace(/<(script|style)\b.*?<\/\1>/gs, "").replace(/<!--.*?-->/gs, "");
    expect([name, markup.match(/(?:aria-label|title|placeholder)="[A-Za-z][^{"]*"/g)]).toEqual([name, null]);
    expect([name, markup.match(/>\s*[A-Z][a-z]+ [a-z]+[^<{]*</g)]).toEqual([name, null]);
  }
});

test.each([
  [["fr-CA", "en"], "fr"],
  [["de-AT", "fr"], "de"],
  [["pl", "it"], "it"],
  [["pl"], "en"],
  [[], "en"],
])("a browser that wants %j is spoken to in %s", (wanted, language) => {
  expect(preferredLanguage(wanted)).toBe(language);
});
