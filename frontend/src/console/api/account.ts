/** One's own account: name and address, password, sessions, and the workspace that one works in. */
import { postJson } from "../../api/server";
import { get, part, remove } from "./client";

export interface OpenSession {
  id: string;
  current: boolean;
  user_agent: string;
  address: string;
  created_at: number;
  last_used_at: number;
}

/** What an identity provider calls the person. */
export interface Identity {
  provider: string;
  label: string;
  email: string | null;
  created_at: number;
}

export const account = {
  identities: async () => (await get<{ data: Identity[] }>("/auth/identities")).data,
  removeIdentity: (provider: string) => remove(`/auth/identities/${part(provider)}`),
  sessions: async () => (await get<{ data: OpenSession[] }>("/auth/sessions")).data,
  endSession: (id: string) => remove(`/auth/sessions/${part(id)}`),
  change: (name: string, email: string) => postJson("/auth/profile", { name, email: email === "" ? null : email }),
  setPassword: (password: string, current: string) =>
    postJson("/auth/password", { password, current: current === "" ? null : current }),
  chooseWorkspace: (id: string) => postJson("/auth/workspace", { workspace_id: id }),
};
