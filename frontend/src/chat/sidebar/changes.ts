/**
 * Word that a conversation or project changed, on this page or in another tab: lists then ask the server again.
 *
 * Whoever begins, answers, names or deletes a conversation calls `conversationsChanged`.
 */
const listeners = new Set<() => void>();
const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("aquilon.conversations");

tabs?.addEventListener("message", tell);

function tell(): void {
  for (const listener of listeners) listener();
}

export function conversationsChanged(): void {
  tell();
  tabs?.postMessage("changed");
}

/** Returns what ends it. */
export function onConversationsChanged(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
