/** `/v1/organization/requests`: the log of requests, without what was asked and answered. */
import { address, get } from "./client";
import type { RequestEntry, RequestPage } from "../../api/schema";

export type { RequestEntry, RequestPage };

export type Outcome = RequestEntry["outcome"];
export const OUTCOMES = ["completed", "cancelled", "failed", "refused"] as const satisfies readonly Outcome[];

export interface RequestQuestion {
  outcome: Outcome | null;
  model: string;
  since: number;
}

export const requests = (question: RequestQuestion, limit: number, after: string | null = null) =>
  get<RequestPage>("/v1/organization/requests", { ...question, limit, after });

export const requestsCsv = (question: RequestQuestion) =>
  address("/v1/organization/requests", { ...question, format: "csv" });
