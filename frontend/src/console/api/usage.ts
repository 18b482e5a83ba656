/** What was used: one's own, or the whole organization's. */
import { address, get } from "./client";

export type Facet = "model" | "key" | "member" | "workspace";

export interface UsageEntry {
  /** Seconds since 1970: the first of the day or hour, in UTC. */
  starts_at: number;
  requests: number;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  /** Millionths of a cent. */
  cost_microcents: number;
  workspace?: string | null;
  member?: string | null;
  key_id?: string | null;
  key?: string | null;
  model?: string | null;
}

export interface UsageReport {
  since: number;
  until: number;
  data: UsageEntry[];
}

export interface UsageQuestion {
  /** Everybody's, or one's own. */
  everybody: boolean;
  span: "hour" | "day";
  since: number;
  by: Facet | null;
}

export function usageAddress(question: UsageQuestion, format: "json" | "csv"): string {
  const path = question.everybody ? "/v1/organization/usage" : "/v1/usage";
  return address(path, { span: question.span, since: question.since, by: question.by, format });
}

export const usage = (question: UsageQuestion) => get<UsageReport>(usageAddress(question, "json"));
