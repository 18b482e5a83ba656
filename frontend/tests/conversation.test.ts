import { afterEach, describe, expect, test, vi } from "vitest";
import { Conversation, type Surroundings } from "../src/chat/conversation.svelte";

afterEach(() => vi.unstubAllGlobals());

const QUESTION = "Why is the sky blue at noon and red in the evening, over land and sea?";
const WORDS = "Why is the sky blue at noon and red in the evening, over…";

/** A server that answers each question, unless `refuses` says how it doesn't; and gives these titles, one after another. */
function serve({ refuses, titles = ["The sky"] }: { refuses?: () => Response | Promise<Response>; titles?: string[] }) {
  const calls: string[] = [];
  let [items, places, answers] = [new Array<object>(), new Array<object>(), 0];
  const conversation = { id: "conv_1", visibility: "user", title: null, project_id: null, metadata: {} };
  const json = (body: object) => new Response(JSON.stringify(body));

  function answer(input: { content: string }[]): Response {
    const [above, asked, said] = [answers === 0 ? null : `a${answers}`, `q${++answers}`, `a${answers}`];
    const alone = { number: 1, count: 1, previous_id: null, next_id: null };
    const place = (item_id: string, parent_id: string | null) => ({
      item_id,
      parent_id,
      response_id: `resp_${answers}`,
      siblings: alone,
      asked_by: null,
    });
    const message = (id: string, role: string, part: object) => ({
      type: "message",
      status: "completed",
      id,
      role,
      content: [part],
    });
    const output = message(said, "assistant", { type: "output_text", text: "So.", annotations: [] });
    const question = message(asked, "user", { type: "input_text", text: input[0]!.content });
    items = [output, question, ...items]; // the latest first
    places = [place(said, asked), place(asked, above), ...places];
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
    if (init.signal?.aborted) throw new DOMException("The page was left", "AbortError");
    const [pathname] = path.split("?");
    calls.push(`${init.method ?? "GET"} ${pathname}`);
    if (pathname!.endsWith("/title")) return json({ ...conversation, title: titles.shift() ?? "too many" });
    if (pathname!.endsWith("/items")) return json({ data: items, places, responses: [], has_more: false });
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
  test("keeps what is asked while an older state of it is being read", async () => {
    serve({});
    const { conversation } = begin();
    await conversation.ask("First?");
    await conversation.settled;

    const served = fetch;
    let arrive: (() => void) | null = null;
    vi.stubGlobal("fetch", async (path: string, init?: RequestInit) => {
      const response = await served(path, init);
      if (path.includes("/items") && arrive === null) await new Promise<void>((resolve) => (arrive = resolve));
      return response;
    });
    const heard = conversation.hear({
      title: null,
      visibility: "user",
      project_id: null,
      head_id: "elsewhere",
      running: [],
      edition: 0,
    });
    await vi.waitFor(() => expect(arrive).not.toBeNull());
    await conversation.ask("Second?");
    await conversation.settled;
    arrive!();
    await heard;
    expect(conversation.turns.map(({ question }) => question?.text)).toEqual(["First?", "Second?"]);
  });

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

  test("that is left while its first question is on its way has it all the same", async () => {
    const calls = serve({});
    const { conversation, begun } = begin();
    const asked = conversation.ask(QUESTION);
    conversation.leave();
    await asked;
    expect(calls.slice(0, 2)).toEqual(["POST /v1/conversations", "POST /v1/responses"]);
    expect(begun).toEqual(["conv_1"]);
  });

  test("stays where nobody knows whether the server has its question, and sends it as the same request", async () => {
    for (const name of ["addEventListener", "removeEventListener"]) vi.stubGlobal(name, () => undefined);
    vi.stubGlobal("document", new EventTarget());
    const calls = serve({ refuses: () => Promise.reject(new TypeError("no connection")) });
    const { conversation, begun } = begin();
    const sent: string[] = [];
    const served = fetch;
    vi.stubGlobal("fetch", (path: string, init: RequestInit = {}) => {
      if (path === "/v1/responses") sent.push(JSON.parse(init.body as string).conversation.request_id);
      return served(path, init);
    });
    await conversation.ask(QUESTION);
    expect([conversation.id, begun]).toEqual(["conv_1", ["conv_1"]]);
    expect(calls.some((call) => call.startsWith("DELETE"))).toBe(false);
    await conversation.answerAgain(conversation.turns[0]!);
    expect(sent.length).toBe(4);
    expect(new Set(sent).size).toBe(1);
    expect(sent[0]!.length).toBeGreaterThan(15);
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
