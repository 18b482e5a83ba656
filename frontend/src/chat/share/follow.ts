/** Follows what others write in a conversation that the workspace sees. */
import type { ConversationUpdated } from "../../api/schema";

interface Listeners {
  /** At first, and after each change: where `head_id` is another one, there are new items to list. */
  onChange: (state: ConversationUpdated) => void;
  /** It was deleted, or the person may not see it any more. */
  onGone: () => void;
}

/** Returns what ends it. A lost connection is taken up again by the browser. */
export function followConversation(conversationId: string, { onChange, onGone }: Listeners): () => void {
  const source = new EventSource(`/v1/conversations/${encodeURIComponent(conversationId)}/events`);
  source.addEventListener("conversation.updated", (event) =>
    onChange(JSON.parse((event as MessageEvent<string>).data) as ConversationUpdated),
  );
  source.addEventListener("conversation.gone", () => {
    source.close();
    onGone();
  });
  return () => source.close();
}
