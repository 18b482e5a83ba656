/** Why a part of the page could not be loaded. */
import { NOT_LOADED, Problem } from "./problem";

/**
 * The problem behind an `import()` that failed. Each browser has other words for it, and some the same for a server that
 * is away and for a module that doesn't run: so the server is asked. Where it answers, the page is of another version.
 */
export async function problemOfLoading(error: unknown): Promise<Problem> {
  if (!(await answers())) return new Problem("unreachable", String(error));
  return new Problem("invalid", String(error), { code: NOT_LOADED });
}

async function answers(): Promise<boolean> {
  try {
    await fetch("/ready", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return true;
  } catch {
    return false;
  }
}
