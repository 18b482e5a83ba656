/** Syntax highlighting, loaded with the first finished code block. */
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import markdown from "highlight.js/lib/languages/markdown";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import r from "highlight.js/lib/languages/r";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const LANGUAGES = {
  ...{ bash, c, cpp, csharp, css, diff, go, ini, java, javascript, json, kotlin, markdown, php, python, r, ruby },
  ...{ rust, sql, swift, typescript, xml, yaml },
};
for (const [name, definition] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, definition);

/** Longer code stays plain. */
const LONGEST_CODE = 50_000;
const LONGEST_GUESS = 5_000;
/** Below it a guess is more often wrong than right. */
const SUREST_GUESS = 8;

/** The code as HTML of `hljs-…` spans, or null where it is to stay plain. */
export function highlight(code: string, language: string): string | null {
  if (code.length > LONGEST_CODE) return null;
  if (language !== "") {
    return hljs.getLanguage(language) ? hljs.highlight(code, { language, ignoreIllegals: true }).value : null;
  }
  if (code.length > LONGEST_GUESS) return null;
  const guess = hljs.highlightAuto(code);
  return guess.relevance >= SUREST_GUESS ? guess.value : null;
}
