/** Whom a budget or a limit is for, in words. */
import { t } from "./catalogue.svelte";

export function subjectName(subject: { scope: "organization" | "workspace" | "key"; name: string }): string {
  if (subject.scope === "organization") return t("subject.organization");
  return t(subject.scope === "workspace" ? "subject.workspace" : "subject.key", { name: subject.name });
}
