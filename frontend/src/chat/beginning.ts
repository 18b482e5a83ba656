/** A new conversation on the server, until that has its first question. */
import { createConversation, deleteConversation, type ConversationBody } from "../api/conversations";
import { Problem } from "../api/problem";
import { ServerTalk } from "./talks";

export class Beginning {
  #made: ConversationBody | null = null;

  /** Makes it; null where the organization keeps no conversations. */
  async make(fields: Parameters<typeof createConversation>[0]): Promise<ServerTalk | null> {
    try {
      this.#made = await createConversation(fields);
      return new ServerTalk(this.#made.id);
    } catch (error) {
      if (error instanceof Problem && error.code === "conversations_not_kept") return null;
      throw error;
    }
  }

  /** What was made, for whom knows that the server has the question; null if it was taken before. */
  take(): ConversationBody | null {
    const made = this.#made;
    this.#made = null;
    return made;
  }

  /** Deletes what was made for a question that was refused: an empty conversation is nobody's. */
  async drop(): Promise<void> {
    const made = this.take();
    if (made !== null) await deleteConversation(made.id).catch(() => undefined); // the refusal matters more
  }
}
