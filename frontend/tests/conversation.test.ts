import { afterEach, describe, expect, test, vi } from "vitest";
import { Conversation, type Surroundings } from "../src/chat/conversation.svelte";

afterEach(() => vi.unstubAllGlobals());

const QUESTION = "Why is the sky blue at noon and red in the evening, over land and sea?";
const WORDS = "Why is the sky blue at noon and red in the evening, over…";

/** A server that answers each question, unless `refuses` says how it doesn't; and gives these titles, one after another. */
function serve({ refuses, titles = ["The sky"] }: { refuses?: () => Response | Promise<Response>; titles?: string[] }) {
  const calls: string[] = [];
  let [items, answers] = [new Array<object>(), 0];
  const conversation = { id: "conv_1", visibility: "user", title: null, project_id: null, metadata: {} };
  const json = (body: object) => new Response(JSON.stringify(body));

  function answer(input: { content: string }[]): Response {
    const [asked, said] = [`q${++answers}`, `a${answers}`];
    const place = (id: string) => ({ id, parent_id: items.length === 0 ? null : `a${answers - 1}`, siblings: [id] });
    const parts = { type: "message", status: "completed" };
    const question = {
      ...parts,
      ...place(asked),
      role: "user",
      content: [{ type: "input_text", text: input[0]!.content }],
    };
    const output = {
      ...parts,
      id: said,
      role: "assistant",
      content: [{ type: "output_text", text: "So.", annotations: [] }],
    };
    items = [...items, question, { ...output, parent_id: asked, siblings: [said] }];
    const response = {
      id: `resp_${answers}`,
      model: "m",
      status: "completed",
      output: [output],
      usage: null,
      error: null,
    };
    const event = (type: string, number: number) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, response: { ...response, incomplete_details: null } })}\n\n`;
    return new Response(`${event("response.created", 0)}${event("response.completed", 1)}data: [DONE]\n\n`);
  }

  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const [pathname] = path.split("?");
    calls.push(`${init.method ?? "GET"} ${pathname}`);
    if (pathname!.endsWith("/title")) return json({ ...conversation, title: titles.shift() ?? "too many" });
    if (pathname!.endsWith("/items")) return json({ data: items, answers: [], has_more: false });
    if (pathname !== "/v1/responses") return json(conversation);
    const { input } = JSON.parse(init.body as string) as { input: { content: string }[] };
    return refuses === undefined ? answer(input) : await refuses();
  });
  return calls;
}

function begin(): { conversation: Conversation; begun: string[] } {
  const begun: string[] = [];
  const around: Surroundings = {
    settled: () => Promise.resolve(),
    model: () => "m",
    instructions: () => "",
    libraries: () => [],
    metadata: () => ({}),
    holds: () => false,
    onRead: () => undefined,
    onEnd: () => undefined,
    onBegun: (id) => void begun.push(id),
    onNamed: () => undefined,
    onBack: () => undefined,
    onQueue: () => undefined,
  };
  return { conversation: new Conversation(around), begun };
}

describe("a conversation", () => {
  test("begins when the server has its first question", async () => {
    serve({});
    const { conversation, begun } = begin();
    await conversation.ask(QUESTION);
    expect([conversation.id, begun, conversation.last?.answer?.text]).toEqual(["conv_1", ["conv_1"], "So."]);
  });

  test("whose first question is refused leaves nothing behind, and is made anew for the next try", async () => {
    const refusal = { error: { message: "No more today", code: "quota_exceeded" } };
    const calls = serve({ refuses: () => new Response(JSON.stringify(refusal), { status: 429 }) });
    const { conversation, begun } = begin();
    await conversation.ask(QUESTION);
    expect([conversation.id, begun, conversation.last?.answer?.state]).toEqual([null, [], "failed"]);
    const once = ["POST /v1/conversations", "POST /v1/responses", "DELETE /v1/conversations/conv_1"];
    expect(calls).toEqual(once);
    await conversation.answerAgain(conversation.last!);
    expect(calls).toEqual([...once, ...once]);
  });

  test("stays where nobody knows whether the server has its question", async () => {
    const calls = serve({ refuses: () => Promise.reject(new TypeError("no connection")) });
    const { conversation, begun } = begin();
    await conversation.ask(QUESTION);
    expect([conversation.id, begun]).toEqual(["conv_1", ["conv_1"]]);
    expect(calls.some((call) => call.startsWith("DELETE"))).toBe(false);
  });

  test("that is named by its question's words only gets a model's title at one of the next answers", async () => {
    const calls = serve({ titles: [WORDS, "The sky"] });
    const { conversation } = begin();
    for (const [question, title] of [
      [QUESTION, WORDS],
      ["And red?", "The sky"],
      ["And green?", "The sky"],
    ] as const) {
      await conversation.ask(question);
      await vi.waitFor(() => expect(conversation.title).toBe(title), { timeout: 4_000 });
    }
    expect(calls.filter((call) => call.endsWith("/title"))).toHaveLength(2);
  });
});
