/** The server's bodies under the words that the pages use. */
export type {
  LimitReached,
  Me,
  Model as ModelCard,
  SessionBody as SessionInfo,
  SessionUser as User,
  SessionWorkspace as Place,
  UsageBody as Usage,
} from "./schema";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}
