import { describe, expect, test } from "vitest";
import { fill, LANGUAGES, preferredLanguage, type Language } from "../src/i18n/catalogue.svelte";
import { isSame } from "./same-words";

const sources = import.meta.glob<string>(["../src/**/*.{ts,svelte}", "!../src/**/texts/??.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const code = Object.values(sources).join("\n");

/** Every catalogue, by the folder of its part and the language. */
const CATALOGUES = Object.entries(
  import.meta.glob<Record<string, string>>("../src/**/texts/??.ts", { import: "texts", eager: true }),
).map(([path, texts]) => {
  const [, folder, language] = /src\/(.*)\/texts\/(..)\.ts$/.exec(path)!;
  return { folder: folder!, language: language as Language, texts };
});
const englishOf = (folder: string) =>
  CATALOGUES.find((one) => one.folder === folder && one.language === "en")?.texts ?? {};

const PLURAL = /\{(\w+), plural, ((?:\w+ \{(?:[^{}]|\{\w+\})*\} ?)+)\}/g;
const FORM = /(\w+) \{((?:[^{}]|\{\w+\})*)\}/g;
const plurals = (text: string) => [...text.matchAll(PLURAL)];

/** The names of what is filled in, each once. */
const marks = (text: string) => {
  const flat = text.replace(PLURAL, (_, name: string, forms: string) => `{${name}} ${forms.replace(FORM, "$2")}`);
  return [...new Set(Array.from(flat.matchAll(/\{(\w+)\}/g), ([, name]) => name))].sort();
};
/** Without code, which no typography is for. */
const prose = (text: string) => text.replace(/`[^`]*`|https?:\S+/g, "");

/** The texts of one language that the rule finds fault with. */
const faults = (language: Language, isFaulty: (text: string) => boolean) =>
  CATALOGUES.filter((one) => one.language === language)
    .flatMap(({ texts }) => Object.entries(texts))
    .filter(([, text]) => isFaulty(prose(text)));

describe.each(CATALOGUES)("the texts of $folder in $language", ({ folder, language, texts }) => {
  const english = englishOf(folder);

  test("have the keys of all others", () => {
    expect(Object.keys(texts).sort()).toEqual(Object.keys(english).sort());
  });

  test("leave the same places to fill in", () => {
    for (const [key, text] of Object.entries(texts)) {
      expect([key, marks(text)]).toEqual([key, marks(english[key] ?? "")]);
    }
  });

  test("say something", () => {
    for (const [key, text] of Object.entries(texts)) expect([key, text.trim()]).not.toEqual([key, ""]);
  });

  test("have every plural of the language, where a number varies", () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    for (const [key, text] of Object.entries(texts)) {
      for (const [, , all] of plurals(text)) {
        expect([key, Array.from(all!.matchAll(FORM), ([, form]) => form).sort()]).toEqual([key, forms]);
      }
      expect([key, text.split(", plural,").length - 1]).toEqual([key, plurals(text).length]);
    }
  });

  test.runIf(language !== "en")("are translated", () => {
    const same = Object.entries(texts).filter(([key, text]) => text === english[key] && /\p{L}{2}/u.test(prose(text)));
    expect(same.filter(([, text]) => !isSame(language, text))).toEqual([]);
  });
});

test("every catalogue is there in every language", () => {
  for (const folder of new Set(CATALOGUES.map((one) => one.folder))) {
    const there = CATALOGUES.filter((one) => one.folder === folder).map((one) => one.language);
    expect([folder, there.sort()]).toEqual([folder, Object.keys(LANGUAGES).sort()]);
  }
});

test("French has a no-break space before colons and within its quotation marks, a narrow one before ; ! ?", () => {
  expect(
    faults("fr", (text) => /(?<!\u202f|«\u00a0)[;!?](?![\/\w])|[^\u00a0][:»](?![\/\w])|«[^\u00a0]/.test(text)),
  ).toEqual([]);
});

test("Spanish opens what it asks and what it exclaims", () => {
  const count = (text: string, sign: string) => text.split(sign).length;
  const isOpen = (text: string) => count(text, "?") !== count(text, "¿") || count(text, "!") !== count(text, "¡");
  expect(faults("es", isOpen)).toEqual([]);
});

test("Spanish ends its sentences behind the quotation mark", () => {
  expect(faults("es", (text) => text.includes(".»"))).toEqual([]);
});

test("German quotes „so“", () => {
  expect(faults("de", (text) => /["“”«»„]/.test(text.replace(/„[^„“”]*“/g, "")))).toEqual([]);
});

test.each(["es", "it"] as const)("quotation marks in %s are «these»", (language) => {
  expect(faults(language, (text) => /["“”„«»]/.test(text.replace(/«[^«»\s](?:[^«»]*[^«»\s])?»/g, "")))).toEqual([]);
});

test("a number and its unit stay together", () => {
  for (const language of ["fr", "de", "es", "it"] as const) {
    expect(faults(language, (text) => /\} (?:%|ms\b|s\b(?!\/))/.test(text))).toEqual([]);
  }
});

/** Words for which the pages of a language have another one already. */
const SYNONYMS: Record<Exclude<Language, "en">, RegExp> = {
  fr: /la discussion|utilisation par|à l’intérieur/i,
  de: /gespräch(?!en wird geprüft)|stapel|audit-protokoll|temporäre|rechenwerk|freiwillig|hineinschau|entdecken|gescheitert$/i,
  es: /peticion|petición (?!propia)|fichero|registro de auditoría|facturaciones|mirar por dentro/i,
  it: /spazio di lavoro|spazi di lavoro|bibliotec|registro di controllo|gli spazi|ogni spazio|dello spazio|estratti mensili/i,
};

test.each(Object.entries(SYNONYMS))("one thing has one word in %s", (language, synonyms) => {
  const said = CATALOGUES.filter((one) => one.language === language).flatMap(({ texts }) => Object.values(texts));
  expect(said.filter((text) => synonyms.test(text))).toEqual([]);
});

test("what is done again is called the same wherever it is offered", () => {
  const offers = ["Try again", "Show more", "Save", "Cancel", "Copy", "Close", "Reload", "Send"];
  for (const english of offers) {
    for (const language of ["fr", "de", "es", "it"] as const) {
      const said = CATALOGUES.filter((one) => one.language === language).flatMap(({ folder, texts }) =>
        Object.keys(texts)
          .filter((key) => englishOf(folder)[key] === english && key !== "pulls.again")
          .map((key) => texts[key]),
      );
      expect([english, language, [...new Set(said)].length]).toEqual([english, language, 1]);
    }
  }
});

test("no text is left unused", () => {
  // Those of errors and changes are found by what the server sends: tests/frontend holds them against the server's.
  const english = CATALOGUES.filter((one) => one.language === "en" && !["api", "console/audit"].includes(one.folder));
  const named = english
    .flatMap(({ texts }) => Object.keys(texts))
    .filter((key) => !/^tuning\.(problem|event)\./.test(key));
  expect(named.filter((key) => !code.includes(`"${key}"`))).toEqual([]);
});

describe("what is filled in", () => {
  const tokens = "{count, plural, one {# token} many {# de tokens} other {# tokens}}";

  test.each([
    ["fr", 1, "1 token"],
    ["fr", 0, "0 token"],
    ["fr", 2, "2 tokens"],
    ["fr", 1_000_000, "1\u202f000\u202f000 de tokens"],
    ["de", 0, "0 tokens"],
    ["es", 12_345, "12.345 tokens"],
  ] as const)("in %s, %d takes the plural %j", (language, count, said) => {
    expect(fill(tokens, { count }, language)).toBe(said);
  });

  test("stands also within a plural, and may look like a place itself", () => {
    const text = "{count, plural, one {# key of {name}} other {# keys of {name}}}";
    expect(fill(text, { count: 2, name: "{count}" }, "en")).toBe("2 keys of {count}");
  });

  test("keeps a name from right to left from turning the sentence around", () => {
    expect(fill("{name} is here.", { name: "שלום" }, "en")).toBe("\u2068שלום\u2069 is here.");
  });

  test("is left as a mark where nobody knows it", () => {
    expect(fill("{name} and {other}", { name: "A" }, "en")).toBe("A and {other}");
  });
});

test("no component speaks past the catalogue", () => {
  for (const [name, source] of Object.entries(sources)) {
    if (!name.endsWith(".svelte")) continue;
    const markup = source.replace(/<(script|style)\b.*?<\/\1>/gs, "").replace(/<!--.*?-->/gs, "");
    expect([name, markup.match(/(?:aria-label|title|placeholder)="[A-Za-z][^{"]*"/g)]).toEqual([name, null]);
    expect([name, markup.match(/>\s*[A-Z][a-z]+ [a-z]+[^<{]*</g)]).toEqual([name, null]);
  }
});

test("no input of a file is seen with the browser's own words", () => {
  const inputs = Object.entries(sources)
    .filter(([name]) => name.endsWith(".svelte") && !name.endsWith("/FileChooser.svelte"))
    .flatMap(
      ([, source]) => source.match(/<input\b(?:\{[^}]*\}|[^>])*?\btype="file"[^>]*>|<input\b[^>]*type="file"/gs) ?? [],
    );
  expect(inputs.length).toBeGreaterThan(0);
  expect(inputs.filter((input) => !/visually-hidden|\bhidden\b/.test(input))).toEqual([]);
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
