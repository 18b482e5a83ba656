import { language } from "../../i18n/catalogue.svelte";

/** 0.0312 → "3.1 %", 0.02 → "2.0 %", in the language's own way; what is very little is said to be so. */
export function percent(share: number): string {
  const format = (value: number, digits: number): string =>
    new Intl.NumberFormat(language(), {
      style: "percent",
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).format(value);
  if (share > 0 && share < 0.0001) return `< ${format(0.0001, 2)}`;
  return format(share, share === 0 || share >= 0.9995 ? 0 : share < 0.001 ? 2 : 1);
}
