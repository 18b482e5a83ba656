/**
 * One chat call written down for three languages. Each sends the very body that it is made of: what the clients'
 * own parameters don't know goes where each of them takes unknown fields.
 */
export const LANGUAGES_OF_CODE = ["curl", "python", "typescript"] as const;
export type CodeLanguage = (typeof LANGUAGES_OF_CODE)[number];

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type CallBody = { [name: string]: Json };

/** Fields of the body that openai-python's `create` has no parameter for: they go into `extra_body`. */
const UNKNOWN_TO_PYTHON = new Set(["top_k", "min_p", "repetition_penalty", "min_tokens", "ignore_eos"]);

export function callAs(language: CodeLanguage, origin: string, body: CallBody): string {
  switch (language) {
    case "curl":
      return curl(origin, body);
    case "python":
      return python(origin, body);
    case "typescript":
      return typescript(origin, body);
  }
}

function curl(origin: string, body: CallBody): string {
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  const flags = body.stream === true ? "-sN" : "-s";
  return [
    `curl ${flags} ${origin}/v1/chat/completions \\`,
    `  -H "Authorization: Bearer $AQUILON_API_KEY" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${json}'`,
  ].join("\n");
}

function python(origin: string, body: CallBody): string {
  const known = Object.entries(body).filter(([name]) => !UNKNOWN_TO_PYTHON.has(name));
  const unknown = Object.entries(body).filter(([name]) => UNKNOWN_TO_PYTHON.has(name));
  if (unknown.length > 0) known.push(["extra_body", Object.fromEntries(unknown)]);
  const parameters = known.map(([name, value]) => `    ${name}=${pythonLiteral(value, 1)},`);
  const reading =
    body.stream === true
      ? [
          "for chunk in answer:",
          "    for choice in chunk.choices:",
          '        print(choice.delta.content or "", end="", flush=True)',
        ]
      : ["print(answer.choices[0].message.content)"];
  return [
    "import os",
    "",
    "from openai import OpenAI",
    "",
    "client = OpenAI(",
    `    base_url=${JSON.stringify(`${origin}/v1`)},`,
    '    api_key=os.environ["AQUILON_API_KEY"],',
    ")",
    "answer = client.chat.completions.create(",
    ...parameters,
    ")",
    ...reading,
  ].join("\n");
}

function typescript(origin: string, body: CallBody): string {
  const unknown = Object.keys(body).some((name) => UNKNOWN_TO_PYTHON.has(name));
  const literal = JSON.stringify(body, null, 2);
  const reading =
    body.stream === true
      ? [
          "for await (const chunk of answer) {",
          "  const text = chunk.choices[0]?.delta?.content;",
          '  process.stdout.write(text ?? "");',
          "}",
        ]
      : ["console.log(answer.choices[0].message.content);"];
  return [
    'import OpenAI from "openai";',
    "",
    "const client = new OpenAI({",
    `  baseURL: ${JSON.stringify(`${origin}/v1`)},`,
    "  apiKey: process.env.AQUILON_API_KEY,",
    "});",
    ...(unknown ? ["// @ts-expect-error: fields of Aquilon's own, which the client passes on"] : []),
    `const answer = await client.chat.completions.create(${literal});`,
    ...reading,
  ].join("\n");
}

function pythonLiteral(value: Json, depth: number): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return pythonString(value);
  const inner = "    ".repeat(depth + 1);
  const outer = "    ".repeat(depth);
  const [open, parts, close] = Array.isArray(value)
    ? ["[", value.map((each) => pythonLiteral(each, depth + 1)), "]"]
    : [
        "{",
        Object.entries(value).map(([name, each]) => `${pythonString(name)}: ${pythonLiteral(each, depth + 1)}`),
        "}",
      ];
  if (parts.length === 0) return open + close;
  const short = `${open}${parts.join(", ")}${close}`;
  if (short.length <= 72 && !short.includes("\n")) return short;
  return `${open}\n${parts.map((each) => `${inner}${each},\n`).join("")}${outer}${close}`;
}

/** JSON's escapes are Python's, but for surrogate halves, which Python writes as one character. */
function pythonString(text: string): string {
  return JSON.stringify(text).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
