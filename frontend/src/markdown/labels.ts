/** The words around rendered markdown, in the page's language. */
import { t } from "../i18n/catalogue.svelte";
import type { Labels } from "./enrich";

export function labels(): Labels {
  return {
    copy: t("code.copy"),
    copied: t("turn.copied"),
    copyFailed: t("turn.copyFailed"),
    plain: t("code.plain"),
    table: t("table.region"),
    formula: t("math.region"),
    code: (language: string) => t("code.region", { language }),
    image: (description: string) => t("image.notLoaded", { text: description }),
  };
}
