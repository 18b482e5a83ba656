/** What went wrong, in a few words. */
import type { ProblemKind } from "../api/problem";
import type { MessageKey } from "../i18n/catalogue.svelte";

export const TITLES: Record<ProblemKind, MessageKey> = {
  unreachable: "problem.unreachable.title",
  interrupted: "problem.interrupted.title",
  engine: "problem.engine.title",
  upstream: "problem.upstream.title",
  limit: "problem.limit.title",
  overloaded: "problem.overloaded.title",
  restarted: "problem.restarted.title",
  unsaved: "problem.unsaved.title",
  context: "problem.context.title",
  model: "problem.model.title",
  signedOut: "problem.signedOut.title",
  forbidden: "problem.forbidden.title",
  invalid: "problem.invalid.title",
};
