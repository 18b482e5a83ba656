/** What of an answer is worth a place beside the talk: long code, pages, drawings, documents, tables. */

export type Kind = "code" | "html" | "svg" | "markdown" | "table";

export interface Artifact {
  kind: Kind;
  /** As the fence names it; empty where it names none. */
  language: string;
  source: string;
  /** What it calls itself; empty where it doesn't. */
  name: string;
}

/** Shorter code is read where it stands. */
const LEAST_LINES = 15;
/** Two sources that share so much of their lines are versions of one thing. */
const LEAST_SHARED = 0.4;
const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** The artifacts of an answer's text, in its order. */
export function artifactsOf(text: string): Artifact[] {
  const lines = text.split("\n");
  const artifacts: Artifact[] = [];
  for (let at = 0; at < lines.length; at++) {
    const fence = FENCE.exec(lines[at]!);
    if (fence !== null) {
      const end = closing(lines, at + 1, fence[2]!);
      const artifact = artifactOf(fence[3]!.toLowerCase(), lines.slice(at + 1, end).join("\n"));
      if (artifact !== null) artifacts.push(artifact);
      at = end;
    } else if (lines[at]!.includes("|") && RULE.test(lines[at + 1] ?? "") && lines[at + 1]!.includes("-")) {
      let end = at + 2;
      while (end < lines.length && lines[end]!.includes("|")) end++;
      const source = lines.slice(at, end).join("\n");
      artifacts.push({ kind: "table", language: "", source, name: cells(lines[at]!).join(", ") });
      at = end - 1;
    }
  }
  return artifacts;
}

/** null where the code is too short to be one. */
function artifactOf(language: string, source: string): Artifact | null {
  const kind = kindOf(language, source);
  if (kind === "code" && source.split("\n").length < LEAST_LINES) return null;
  return { kind, language, source, name: nameOf(kind, source) };
}

export function kindOf(language: string, source: string): Kind {
  if (language === "html" || (language === "" && /^\s*(<!doctype html|<html)/i.test(source))) return "html";
  if (language === "svg" || (/^(|xml)$/.test(language) && /^\s*(<\?xml[^>]*>\s*)?<svg[\s>]/i.test(source)))
    return "svg";
  return language === "markdown" || language === "md" ? "markdown" : "code";
}

function nameOf(kind: Kind, source: string): string {
  const patterns: Record<Kind, RegExp> = {
    html: /<title[^>]*>([^<]{1,80})/i,
    svg: /<title[^>]*>([^<]{1,80})/i,
    markdown: /^#{1,6}\s+(.{1,80})/m,
    code: /^\s*(?:export\s+|async\s+|public\s+|pub\s+)*(?:class|def|function|fn|func|interface|struct)\s+([\w$]{1,80})/m,
    table: /^$/,
  };
  return patterns[kind].exec(source)?.[1]?.trim() ?? "";
}

function closing(lines: readonly string[], from: number, fence: string): number {
  const closes = new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}\\s*$`);
  const end = lines.findIndex((line, at) => at >= from && closes.test(line));
  return end < 0 ? lines.length : end;
}

/** Whether one is a version of the other. */
export function isVersion(one: Artifact, other: Artifact): boolean {
  if (one.kind !== other.kind || one.language !== other.language) return false;
  if (one.name !== "" && one.name === other.name) return true;
  const [mine, its] = [linesOf(one), linesOf(other)];
  const shared = [...mine].filter((line) => its.has(line)).length;
  return shared >= LEAST_SHARED * Math.max(1, Math.min(mine.size, its.size));
}

function linesOf({ source }: Artifact): Set<string> {
  return new Set(
    source
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.length > 3),
  );
}

/** The cells of a table's line. */
export function cells(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** A table as CSV. A cell that a spreadsheet would take for a formula is kept as text. */
export function csvOf({ source }: Artifact): string {
  const rows = source.split("\n").filter((_, at) => at !== 1);
  const field = (cell: string) => {
    const safe = /^[=+@]|^-(?![\d.])/.test(cell) ? `'${cell}` : cell;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => cells(row).map(field).join(",")).join("\r\n");
}

const ENDINGS: Record<string, string> = {
  ...{ python: "py", py: "py", javascript: "js", js: "js", typescript: "ts", ts: "ts", rust: "rs", java: "java" },
  ...{ bash: "sh", sh: "sh", c: "c", cpp: "cpp", "c++": "cpp", go: "go", ruby: "rb", json: "json", yaml: "yaml" },
  ...{ css: "css", sql: "sql", xml: "xml", kotlin: "kt", swift: "swift", php: "php", r: "r", toml: "toml" },
};

/** The name of its file, safe on every system. */
export function fileName({ kind, language, name }: Artifact): string {
  const base =
    name
      .replace(/[^\p{L}\p{N}_-]+/gu, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 60) || "artifact";
  const endings: Record<Kind, string> = {
    html: "html",
    svg: "svg",
    markdown: "md",
    table: "csv",
    code: ENDINGS[language] ?? "txt",
  };
  return `${base}.${endings[kind]}`;
}
