/** Which limit refused a request and when there is room again, in the page's language. */
import type { Problem } from "../api/problem";
import type { LimitReached } from "../api/types";
import { say } from "./quota/words";
import { locale, t, type MessageKey } from "../i18n/catalogue.svelte";

const DAY_MS = 86_400_000;

const WHICH: Partial<Record<LimitReached["kind"], MessageKey>> = {
  requests_per_minute: "limit.requests_per_minute",
  tokens_per_minute: "limit.tokens_per_minute",
  parallel_requests: "limit.parallel_requests",
  budget: "limit.budget",
  batch_jobs: "limit.batch_jobs",
};
const SCOPES: Record<Exclude<NonNullable<LimitReached["scope"]>, "person">, MessageKey> = {
  organization: "limit.scope.organization",
  workspace: "limit.scope.workspace",
  key: "limit.scope.key",
};

/** A person's own quotas. */
const SPENT = {
  quota_messages: "quota.spent.messages",
  quota_tokens: "quota.spent.tokens",
  quota_cost: "quota.spent.cost",
} as const;

const isQuota = (kind: LimitReached["kind"]): kind is keyof typeof SPENT => kind in SPENT;

/** null where the server's own words say it best. */
export function limitText(problem: Problem): string | null {
  const { limit, endsAt } = problem;
  if (limit !== null && isQuota(limit.kind)) {
    const spent = say(SPENT[limit.kind], { limit: limit.limit, left: limit.remaining ?? 0 });
    return endsAt === null ? spent : `${spent} ${ending(limit, endsAt - problem.at, endsAt)}`;
  }
  const which = limit === null ? undefined : WHICH[limit.kind];
  if (limit === null || which === undefined) return null;
  const said = t(which, {
    scope: t(SCOPES[limit.scope === null || limit.scope === "person" ? "organization" : limit.scope]),
    limit: limit.limit,
    needed: limit.needed ?? 0,
    model: limit.model === null ? "" : t("limit.model", { model: limit.model }),
  });
  return `${said} ${endsAt === null ? withoutEnd(limit) : ending(limit, endsAt - problem.at, endsAt)}`;
}

function ending(limit: LimitReached, span: number, endsAt: number): string {
  if (isQuota(limit.kind)) return againAt(endsAt, span);
  const style: Intl.DateTimeFormatOptions =
    span < DAY_MS ? { timeStyle: "medium" } : { dateStyle: "long", timeStyle: "short" };
  const time = new Intl.DateTimeFormat(locale(), style).format(endsAt);
  return t(limit.kind === "budget" ? "limit.startsAnew" : "limit.roomAgain", { time });
}

/** When a quota begins anew. */
export function againAt(endsAt: number, span: number): string {
  const soon = span < DAY_MS;
  const style: Intl.DateTimeFormatOptions = soon
    ? { timeStyle: "short" }
    : { day: "numeric", month: "long", hour: "numeric", minute: "2-digit" };
  return say(soon ? "quota.again" : "quota.againOn", { time: new Intl.DateTimeFormat(locale(), style).format(endsAt) });
}

function withoutEnd(limit: LimitReached): string {
  if (limit.kind === "budget") return t("limit.addCredit");
  if (limit.kind === "parallel_requests" || limit.kind === "batch_jobs") return t("limit.whenOneEnds");
  return t("limit.never");
}
