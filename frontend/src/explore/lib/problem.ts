import { Problem } from "../../api/problem";

/** What was thrown, as a problem to show; null for a request that the page itself ended. */
export function problemFrom(error: unknown): Problem | null {
  if (error instanceof Problem) return error;
  if (error instanceof DOMException && error.name === "AbortError") return null;
  throw error;
}
