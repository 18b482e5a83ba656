/** What a page keeps in this browser for the person who is signed in, so that a reload loses nothing. */

const PREFIX = "aquilon.kept.";

/** Nothing is kept where storage is forbidden or full: it then lasts as long as the page. */
export function keep(name: string, userId: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify({ userId, value }));
  } catch {
    // As said above.
  }
}

/** What was kept for this person, as it came out of JSON; null if there is nothing. Another person's is forgotten. */
export function kept(name: string, userId: string): unknown {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(PREFIX + name) ?? "null");
    if (typeof stored !== "object" || stored === null || !("userId" in stored) || !("value" in stored)) return null;
    if (stored.userId === userId) return stored.value;
    localStorage.removeItem(PREFIX + name);
    return null;
  } catch {
    return null;
  }
}

/** At sign-out. */
export function forgetKept(): void {
  try {
    for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name);
  } catch {
    // Where storage is forbidden, nothing was kept.
  }
}
