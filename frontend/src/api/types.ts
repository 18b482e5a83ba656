/** The server's bodies under the words that the pages use. */
export type {
  LimitReached,
  Model as ModelCard,
  SessionBody as SessionInfo,
  SessionUser as User,
  SessionWorkspace as Place,
  UsageBody as Usage,
} from "./schema";

export interface ChatMessage {
  role: "user" | "assistant";
  content: string;
}
