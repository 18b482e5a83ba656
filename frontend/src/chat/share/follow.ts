/** Follows what is written in a conversation elsewhere: by others, or by the same person in another window. */
import type { ConversationUpdated } from "../../api/schema";

interface Listeners {
  /** At first, and after each change: where `head_id` is another one, there are new items to list. */
  onChange: (state: ConversationUpdated) => void;
  /** It was deleted, or the person may not see it any more. */
  onGone: () => void;
}

/**
 * Returns what ends it. A lost connection is taken up again by the browser; a page that nobody sees has none, since a
 * browser opens few to one server, and each costs the server a look a second.
 */
export function followConversation(conversationId: string, { onChange, onGone }: Listeners): () => void {
  let source: EventSource | null = null;

  function follow(): void {
    source?.close();
    source = null;
    if (document.visibilityState !== "visible") return;
    source = new EventSource(`/v1/conversations/${encodeURIComponent(conversationId)}/events`);
    source.addEventListener("conversation.updated", (event) =>
      onChange(JSON.parse((event as MessageEvent<string>).data) as ConversationUpdated),
    );
    source.addEventListener("conversation.gone", () => {
      stop();
      onGone();
    });
  }

  function stop(): void {
    document.removeEventListener("visibilitychange", follow);
    source?.close();
  }

  document.addEventListener("visibilitychange", follow);
  follow();
  return stop;
}
