/** What answers cost, by the prices that hold now. */
import { Problem } from "../api/problem";
import type { ModelPricesList, ResponseUsage } from "../api/schema";
import { call } from "../api/server";
import { language } from "../i18n/catalogue.svelte";

const SMALLEST_SHOWN = 0.0001;

class Costs {
  #prices = $state.raw<ModelPricesList | null>(null);
  #loading: Promise<void> | null = null;

  /** Reads the prices, once. */
  load(): Promise<void> {
    return (this.#loading ??= this.#load());
  }

  /** An answer's cost in words; null where the model is free, or where the prices aren't here yet. */
  of(model: string, usage: ResponseUsage): string | null {
    const price = this.#prices?.data.find((one) => one.model === model)?.prices.find((one) => one.holds);
    if (price === undefined) return null;
    const cached = usage.input_tokens_details.cached_tokens;
    const cents =
      ((usage.input_tokens - cached) * price.input + cached * price.cached_input + usage.output_tokens * price.output) /
      1e6;
    return new Intl.NumberFormat(language(), {
      style: "currency",
      currency: this.#prices!.currency,
      minimumFractionDigits: 2,
      maximumFractionDigits: 4,
    }).format(cents > 0 ? Math.max(SMALLEST_SHOWN, cents / 100) : 0);
  }

  async #load(): Promise<void> {
    try {
      this.#prices = (await (await call("/v1/organization/prices")).json()) as ModelPricesList;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#loading = null; // asked again with the next answer
    }
  }
}

export const costs = new Costs();
