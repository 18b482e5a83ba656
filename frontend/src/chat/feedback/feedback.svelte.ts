/** What the person thinks of the answers of one conversation: read once, changed by the thumbs beside each answer. */
import type { FeedbackBody, ListOfFeedbackBody, RateResponse } from "../../api/schema";
import { call } from "../../api/server";

export class Judgements {
  /** By response. */
  all = $state.raw<ReadonlyMap<string, FeedbackBody>>(new Map());

  async read(conversationId: string): Promise<void> {
    const answer = await call(`/v1/conversations/${encodeURIComponent(conversationId)}/feedback`);
    const list = (await answer.json()) as ListOfFeedbackBody;
    this.all = new Map(list.data.map((one) => [one.response_id, one]));
  }

  async rate(responseId: string, judgement: RateResponse): Promise<void> {
    const answer = await call(path(responseId), {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(judgement),
    });
    this.all = new Map([...this.all, [responseId, (await answer.json()) as FeedbackBody]]);
  }

  async withdraw(responseId: string): Promise<void> {
    await call(path(responseId), { method: "DELETE" });
    this.all = new Map([...this.all].filter(([id]) => id !== responseId));
  }
}

function path(responseId: string): string {
  return `/v1/responses/${encodeURIComponent(responseId)}/feedback`;
}
