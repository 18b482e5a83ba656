import { describe, expect, test } from "vitest";
import { bodyOf, draftOf, emptyDraft, keptDraft, type Draft } from "../src/console/playground/call";
import { callAs, type CallBody } from "../src/console/playground/snippets";

const ORIGIN = "http://127.0.0.1:8080";

const EMPTY: Draft = {
  ...emptyDraft("small"),
  messages: [{ role: "user", content: "Hello" }],
  stream: false,
};

const AWKWARD: CallBody = {
  model: "small",
  messages: [
    { role: "system", content: 'It\'s "quoted", with a back\\slash, $HOME, `ls` and\na new line\u2028.' },
    { role: "user", content: "Écris « bonjour » 👋 \u0007" },
  ],
  temperature: 0.7,
  stop: ["'", "\n"],
  top_k: 5,
  tools: [{ type: "function", function: { name: "f", parameters: { type: "object", strict: true, default: null } } }],
  stream: true,
};

describe("the body of a call", () => {
  test("has what was written, and nothing that was left empty", () => {
    expect(bodyOf(EMPTY)).toEqual({
      body: { model: "small", messages: [{ role: "user", content: "Hello" }] },
      errors: {},
    });
  });

  test("takes numbers as French writes them, stop texts by line, and JSON as it is", () => {
    const { body, errors } = bodyOf({
      ...EMPTY,
      system: "Be brief",
      temperature: "0,7",
      maxTokens: "16",
      stop: "END\n\n###",
      schema: '{"type": "object"}',
      stream: true,
    });
    expect(errors).toEqual({});
    expect(body).toEqual({
      model: "small",
      messages: [
        { role: "system", content: "Be brief" },
        { role: "user", content: "Hello" },
      ],
      temperature: 0.7,
      max_tokens: 16,
      stop: ["END", "###"],
      response_format: { type: "json_schema", json_schema: { name: "answer", schema: { type: "object" } } },
      stream: true,
    });
  });

  test("leaves out what is no number or no JSON, and says so", () => {
    const { body, errors } = bodyOf({ ...EMPTY, temperature: "warm", tools: "{}", schema: "[" });
    expect(errors).toEqual({ temperature: "number", tools: "list", schema: "object" });
    expect(Object.keys(body)).toEqual(["model", "messages"]);
  });
});

test("curl sends the body itself", () => {
  const command = callAs("curl", ORIGIN, AWKWARD);
  const quoted = /-d '(.*)'$/s.exec(command)?.[1]?.replaceAll("'\\''", "'");
  expect(JSON.parse(quoted ?? "")).toEqual(AWKWARD);
  expect(command).toContain(`${ORIGIN}/v1/chat/completions`);
  expect(command).not.toMatch(/aq-/);
});

test.each([true, false])("TypeScript sends the body itself, streamed: %s", async (stream) => {
  const body = { ...AWKWARD, stream };
  const sent: unknown[] = [];
  class Client {
    chat = {
      completions: {
        create: (asked: unknown) => {
          sent.push(asked);
          return stream ? [{ choices: [{ delta: { content: "!" } }] }] : { choices: [{ message: { content: "!" } }] };
        },
      },
    };
  }
  const written: string[] = [];
  const code = callAs("typescript", ORIGIN, body).replace(/^import .*$/m, "");
  const process = { env: {}, stdout: { write: (text: string) => written.push(text) } };
  const console = { log: (text: string) => written.push(text) };
  const run = Object.getPrototypeOf(async () => undefined).constructor as FunctionConstructor;
  await run("OpenAI", "process", "console", code)(Client, process, console);
  expect(sent).toEqual([body]);
  expect(written).toEqual(["!"]);
});

test("Python has literals of its own", () => {
  const code = callAs("python", ORIGIN, AWKWARD);
  expect(code).toContain("stream=True");
  expect(code).toContain('"strict": True, "default": None');
  expect(code).toContain('extra_body={"top_k": 5}');
});

test("a saved prompt opens as the draft whose call it is", () => {
  const body: CallBody = {
    model: "small",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Hi" },
    ],
    temperature: 0,
    seed: 7,
    stop: ["###", "END"],
    tools: [{ type: "function", function: { name: "f" } }],
    response_format: { type: "json_schema", json_schema: { name: "answer", schema: { type: "object" } } },
    top_k: 5,
    stream: true,
  };
  const { messages, ...settings } = body;
  const draft = draftOf(messages as { role: string; content: string }[], settings);
  expect(bodyOf(draft)).toEqual({ body, errors: {} });
  expect(keptDraft(JSON.parse(JSON.stringify(draft)))).toEqual(draft);
});

test.each([null, 3, {}, { ...EMPTY, messages: [{ role: "tool", content: "" }] }, { ...EMPTY, system: null }])(
  "what is no draft is not restored: %j",
  (value) => expect(keptDraft(value)).toBeNull(),
);
