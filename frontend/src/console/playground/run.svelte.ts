/** One call of the playground: what has arrived of its answer, how fast, and how it ended. */
import { Problem } from "../../api/problem";
import { postJson } from "../../api/server";
import type { ChatCompletion, ChatCompletionChunk, ToolCallBody, ToolCallChunk } from "../../api/schema";
import { streamChunks } from "../../api/stream";
import { ThoughtSplitter, type Piece } from "../../api/thoughts";
import type { Usage } from "../../api/types";
import { Meter, type Figures } from "../../chat/meter";
import type { CallBody } from "./snippets";

const FIGURES_EVERY_MS = 200;

export interface ToolCall {
  name: string;
  arguments: string;
}

export interface KeptAnswer {
  text: string;
  thoughts: string;
  calls: ToolCall[];
  usage: Usage | null;
  finishReason: string | null;
  stopped: boolean;
}

export class Run {
  text = $state("");
  thoughts = $state("");
  calls = $state<ToolCall[]>([]);
  state = $state<"running" | "finished" | "stopped" | "failed">("running");
  problem = $state.raw<Problem | null>(null);
  figures = $state.raw<Figures | null>(null);
  usage = $state.raw<Usage | null>(null);
  finishReason = $state<string | null>(null);
  #splitter = new ThoughtSplitter();
  #controller = new AbortController();
  #meter = new Meter(performance.now());
  #shown = -Infinity;

  async start(body: CallBody): Promise<void> {
    try {
      if (body.stream === true) await this.#stream(body);
      else await this.#whole(body);
      this.state = "finished";
    } catch (error) {
      if (this.#controller.signal.aborted) {
        this.state = "stopped";
      } else {
        this.problem = error instanceof Problem ? error : new Problem("invalid", String(error));
        this.state = "failed";
      }
    }
    if (this.usage !== null) this.#meter.settle(this.usage.completion_tokens);
    if (this.text !== "" && body.stream === true) this.figures = this.#meter.figures();
  }

  /** What a browser keeps of an ended answer. */
  toKeep(): KeptAnswer {
    const { text, thoughts, usage, finishReason } = this;
    return {
      text,
      thoughts,
      calls: $state.snapshot(this.calls),
      usage,
      finishReason,
      stopped: this.state === "stopped",
    };
  }

  static fromKept(answer: KeptAnswer): Run {
    const run = new Run();
    run.text = answer.text;
    run.thoughts = answer.thoughts;
    run.calls = answer.calls;
    run.usage = answer.usage;
    run.finishReason = answer.finishReason;
    run.state = answer.stopped ? "stopped" : "finished";
    return run;
  }

  stop(): void {
    this.#controller.abort();
  }

  async #stream(body: CallBody): Promise<void> {
    for await (const chunk of streamChunks(body, this.#controller.signal)) this.#take(chunk);
    for (const piece of this.#splitter.end()) this.#add(piece);
    if (this.finishReason === null) throw new Problem("interrupted", "the stream ended before the answer did");
  }

  #take(chunk: ChatCompletionChunk): void {
    this.usage = chunk.usage ?? this.usage;
    const choice = chunk.choices[0];
    this.finishReason = choice?.finish_reason ?? this.finishReason;
    for (const call of choice?.delta.tool_calls ?? []) this.#takeCall(call);
    for (const piece of this.#splitter.read(choice?.delta ?? {})) this.#add(piece);
  }

  #add(piece: Piece): void {
    if (piece.type === "textWasThoughts") {
      this.thoughts += this.text;
      this.text = "";
      return;
    }
    const now = performance.now();
    this.#meter.add(piece.text, now);
    if (piece.type === "text") this.text += piece.text;
    else this.thoughts += piece.text;
    if (now - this.#shown < FIGURES_EVERY_MS) return;
    this.figures = this.#meter.figures();
    this.#shown = now;
  }

  #takeCall(delta: ToolCallBody | ToolCallChunk): void {
    const index = "index" in delta ? delta.index : this.calls.length;
    const call = (this.calls[index] ??= { name: "", arguments: "" });
    call.name += delta.function?.name ?? "";
    call.arguments += delta.function?.arguments ?? "";
  }

  async #whole(body: CallBody): Promise<void> {
    const response = await postJson("/v1/chat/completions", body, { signal: this.#controller.signal });
    const { choices, usage } = (await response.json()) as ChatCompletion;
    const { content = null, reasoning_content = "" } = choices[0]?.message ?? {};
    for (const piece of this.#splitter.read({ content: content ?? "", reasoning_content })) this.#add(piece);
    for (const piece of this.#splitter.end()) this.#add(piece);
    choices[0]?.message.tool_calls?.forEach((call) => this.#takeCall(call));
    this.finishReason = choices[0]?.finish_reason ?? null;
    this.usage = usage ?? null;
  }
}
