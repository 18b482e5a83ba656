/** One's own account: name and address, password, sessions, and the workspace that one works in. */
import { postJson } from "../../api/server";
import { get, part, remove } from "./client";
import type { OpenSession, OwnIdentity as Identity } from "../../api/schema";

export type { OpenSession, Identity };

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
