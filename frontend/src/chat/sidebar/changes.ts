/**
 * Word that a conversation or project changed, on this page or in another tab: lists then ask the server again.
 *
 * Whoever begins, answers, names or deletes a conversation calls `conversationsChanged`.
 */
type Listener = (by: object | null) => void;

const listeners = new Set<Listener>();
const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("aquilon.conversations");

tabs?.addEventListener("message", () => tell(null));

function tell(by: object | null): void {
  for (const listener of listeners) listener(by);
}

/** `by`: a list that shows the change already. */
export function conversationsChanged(by: object | null = null): void {
  tell(by);
  tabs?.postMessage("changed");
}

/** Returns what ends it. */
export function onConversationsChanged(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
