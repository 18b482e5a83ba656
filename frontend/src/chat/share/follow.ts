/** Follows what is written in a conversation elsewhere: by others, or by the same person in another window. */
import { readConversation } from "../../api/conversations";
import { Problem } from "../../api/problem";
import type { ConversationUpdated } from "../../api/schema";

const AGAIN_MS = 5_000;

interface Listeners {
  /** At first, and after each change: where `head_id` is another one, there are new items to list. */
  onChange: (state: ConversationUpdated) => void;
  /** It was deleted, or the person may not see it any more. */
  onGone: () => void;
}

/**
 * Returns what ends it. A lost connection is taken up again by the browser, one that was refused is not; a page that
 * nobody sees has none, since a browser opens few to one server, and each costs the server a look a second.
 */
export function followConversation(conversationId: string, { onChange, onGone }: Listeners): () => void {
  let source: EventSource | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;

  function follow(): void {
    clearTimeout(again);
    source?.close();
    source = null;
    if (document.visibilityState !== "visible") return;
    source = new EventSource(`/v1/conversations/${encodeURIComponent(conversationId)}/events`);
    source.addEventListener("conversation.updated", (event) =>
      onChange(JSON.parse((event as MessageEvent<string>).data) as ConversationUpdated),
    );
    source.addEventListener("conversation.gone", leave);
    source.addEventListener("error", ({ target }) => {
      if (target === source && source?.readyState === EventSource.CLOSED) void onRefused(source);
    });
  }

  /** It may have been deleted while nobody listened; a proxy says other things while the server is away. */
  async function onRefused(refused: EventSource): Promise<void> {
    try {
      await readConversation(conversationId);
    } catch (error) {
      if (refused !== source) return;
      if (error instanceof Problem && error.kind === "model") return leave();
    }
    if (refused === source) again = setTimeout(follow, AGAIN_MS);
  }

  function leave(): void {
    stop();
    onGone();
  }

  function stop(): void {
    clearTimeout(again);
    document.removeEventListener("visibilitychange", follow);
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", follow);
  follow();
  return stop;
}
