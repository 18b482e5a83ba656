/** One comparison: two answers as they come, and the vote on them. */
import type { Problem } from "../../api/problem";
import type {
  CompareRequest,
  ComparisonBody,
  ComparisonEnded,
  ComparisonStarted,
  SideDelta,
  SideEnded,
  SideFailed,
  VoteBody,
} from "../../api/schema";
import { call } from "../../api/server";
import { streamEvents } from "../../api/stream";
import { problemFrom } from "../lib/problem";

export type Choice = VoteBody["choice"];
export type Position = "left" | "right";
type RoundEvent = ComparisonStarted | SideDelta | SideEnded | SideFailed | ComparisonEnded;

export interface SideState {
  text: string;
  state: "running" | "finished" | "stopped" | "failed";
  /** Why it failed. */
  message: string;
}

const EMPTY: SideState = { text: "", state: "running", message: "" };

export class Round {
  state = $state<"idle" | "running" | "answered" | "ended">("idle");
  left = $state<SideState>(EMPTY);
  right = $state<SideState>(EMPTY);
  comparison = $state.raw<ComparisonBody | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** The question that was asked. */
  prompt = "";
  #controller: AbortController | null = null;

  get mayVote(): boolean {
    return this.state === "answered" && this.comparison !== null;
  }

  async ask(request: CompareRequest): Promise<void> {
    this.stop();
    const controller = (this.#controller = new AbortController());
    this.state = "running";
    this.prompt = request.prompt;
    this.left = { ...EMPTY };
    this.right = { ...EMPTY };
    this.comparison = null;
    this.problem = null;
    try {
      const body = { ...request, stream: true };
      for await (const event of streamEvents("/v1/comparisons", body, controller.signal)) {
        this.#read(event as RoundEvent);
      }
      const { comparison } = this as { comparison: ComparisonBody | null };
      this.state = comparison?.answered ? "answered" : "ended";
    } catch (error) {
      if (controller !== this.#controller) return;
      this.problem = problemFrom(error);
      this.state = this.problem !== null && this.comparison === null ? "idle" : "ended";
      for (const side of [this.left, this.right]) if (side.state === "running") side.state = "stopped";
    }
  }

  stop(): void {
    this.#controller?.abort();
  }

  /** Votes, or changes the vote. */
  async vote(choice: Choice): Promise<void> {
    if (!this.mayVote || this.comparison === null) return;
    try {
      const answer = await call(`/v1/comparisons/${this.comparison.id}/vote`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ choice }),
      });
      this.comparison = (await answer.json()) as ComparisonBody;
      this.problem = null;
    } catch (error) {
      this.problem = problemFrom(error);
    }
  }

  #read(event: RoundEvent): void {
    switch (event.type) {
      case "comparison.started":
      case "comparison.ended":
        this.comparison = event.comparison;
        break;
      case "comparison.delta":
        this[event.side].text += event.text;
        break;
      case "comparison.side_ended":
        this[event.side].state = "finished";
        break;
      case "comparison.side_failed":
        this[event.side].state = "failed";
        this[event.side].message = event.message;
    }
  }
}
