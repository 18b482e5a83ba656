/** The server's models, and what their tokens cost. */
import { call } from "../../api/server";
import type { ListOfModel, ModelPricesList, PriceBody } from "../../api/schema";
import type { ModelCard } from "../../api/types";
import { locale } from "../../i18n/catalogue.svelte";

/** Those whose tokenizer is on this server. */
export async function modelsWithTokenizer(signal?: AbortSignal): Promise<ModelCard[]> {
  const init = signal === undefined ? {} : { signal };
  const body = (await (await call("/v1/models", init)).json()) as ListOfModel;
  return body.data.filter((card) => card.local && !card.capabilities.embeddings && !card.capabilities.rerank);
}

export interface Prices {
  currency: string;
  /** By model, what holds now; a model without a price isn't in it. */
  byModel: ReadonlyMap<string, PriceBody>;
}

export async function pricesNow(): Promise<Prices> {
  const body = (await (await call("/v1/organization/prices")).json()) as ModelPricesList;
  const byModel = new Map<string, PriceBody>();
  for (const { model, prices } of body.data) {
    const price = prices.find((one) => one.holds);
    if (price !== undefined) byModel.set(model, price);
  }
  return { currency: body.currency, byModel };
}

/** Cents for a million tokens → an amount of so many tokens, exact enough to be read. */
export function amount(tokens: number, centsForAMillion: number, currency: string): string {
  return new Intl.NumberFormat(locale(), { style: "currency", currency, maximumSignificantDigits: 3 }).format(
    (tokens * centsForAMillion) / 1e8,
  );
}
