/** What was used: one's own, or the whole organization's. */
import { address, get } from "./client";
import type { UsageEntry, UsageReport } from "../../api/schema";

export type { UsageEntry, UsageReport };

export type Facet = "model" | "key" | "member" | "workspace";

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
