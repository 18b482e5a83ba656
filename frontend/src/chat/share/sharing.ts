/** What of a conversation is shared. */
export interface Sharing {
  conversationId: string;
  /** The item up to which is shared; null for the conversation's latest one. */
  leaf: string | null;
  /** After everybody in the workspace was let in, or no longer is. */
  onVisibility?: (visibility: "user" | "workspace") => void;
}
