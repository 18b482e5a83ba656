/** Prices, budgets and statements. Amounts are millionths of a cent, prices whole cents for a million tokens. */
import { address, get, part, post, remove } from "./client";

export interface Budget {
  id: string;
  scope: "organization" | "workspace" | "key";
  scope_id: string;
  name: string;
  period: BudgetPeriod;
  limit_microcents: number;
  spent_microcents: number;
  remaining_microcents: number;
  /** null for prepaid credit. */
  resets_at: number | null;
}

export const BUDGET_PERIODS = ["day", "week", "month", "once"] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

export interface Price {
  id: string;
  starts_at: number;
  input: number;
  cached_input: number;
  output: number;
  /** Percent. */
  batch_discount: number;
  holds: boolean;
}

export interface ModelPrices {
  model: string;
  prices: Price[];
}

export interface Statement {
  number: string;
  month: string;
  final: boolean;
  currency: string;
  lines: {
    workspace: string;
    model: string;
    requests: number;
    prompt_tokens: number;
    cached_tokens: number;
    completion_tokens: number;
    cost_microcents: number;
  }[];
  net_cents: number;
  vat_percent: string;
  vat_cents: number;
  total_cents: number;
}

export interface PricesAnswer {
  currency: string;
  data: ModelPrices[];
}

export const prices = {
  list: () => get<PricesAnswer>("/v1/organization/prices"),
  set: (
    model: string,
    price: {
      input: number;
      cached_input: number | null;
      output: number;
      batch_discount: number;
      starts_at: number | null;
    },
  ) => post<ModelPrices>(`/v1/server/prices/${model.split("/").map(part).join("/")}`, price),
};

export const budgets = {
  list: () => get<{ currency: string; data: Budget[] }>("/v1/organization/budgets"),
  set: (budget: { workspace_id?: string; key_id?: string; period: BudgetPeriod; limit_microcents: number }) =>
    post<Budget>("/v1/organization/budgets", budget),
  remove: (id: string) => remove(`/v1/organization/budgets/${part(id)}`),
};

const STATEMENTS = "/v1/organization/statements";

export const statement = (month: string) => get<Statement>(`${STATEMENTS}/${part(month)}`);

export const statementPdf = (month: string, language: string) =>
  address(`${STATEMENTS}/${part(month)}`, { format: "pdf", language });
