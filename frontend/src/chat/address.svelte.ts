/** The page's address: `/c/ID` is a conversation, `/` a new one. */

class Address {
  /** null for a new conversation. */
  conversation = $state(idOf(location.pathname));

  constructor() {
    addEventListener("popstate", () => (this.conversation = idOf(location.pathname)));
  }

  /** Goes to a conversation, as a step of the browser's history; `replace` where the page only got its name. */
  go(conversation: string | null, { replace = false } = {}): void {
    const path = conversation === null ? "/" : `/c/${encodeURIComponent(conversation)}`;
    if (path !== location.pathname) {
      if (replace) history.replaceState(null, "", path);
      else history.pushState(null, "", path);
    }
    this.conversation = conversation;
  }
}

export const address = new Address();

export function idOf(path: string): string | null {
  const match = /^\/c\/([^/]+)\/?$/.exec(path);
  try {
    return match?.[1] === undefined ? null : decodeURIComponent(match[1]);
  } catch {
    return match?.[1] ?? null; // not a name that the page gave
  }
}
