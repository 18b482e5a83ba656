/** Prices, budgets and statements. Amounts are millionths of a cent, prices whole cents for a million tokens. */
import { address, get, part, post, remove } from "./client";
import type {
  BudgetBody as Budget,
  PriceBody as Price,
  ModelPrices,
  StatementBody as Statement,
  ModelPricesList as PricesAnswer,
} from "../../api/schema";

export type { Budget, Price, ModelPrices, Statement, PricesAnswer };

export const BUDGET_PERIODS = ["day", "week", "month", "once"] as const satisfies readonly BudgetPeriod[];
export type BudgetPeriod = Budget["period"];

export const prices = {
  list: () => get<PricesAnswer>("/v1/organization/prices"),
  /** Of all amounts; null where it can't be read. */
  currency: () =>
    prices.list().then(
      ({ currency }) => currency,
      () => null,
    ),
  set: (
    model: string,
    price: {
      input: number;
      cached_input: number | null;
      output: number;
      batch_discount: number;
      training: number;
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
