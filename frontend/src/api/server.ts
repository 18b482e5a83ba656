/** The server's plain calls: who is signed in, which models there are, whether it can answer. */
import { Problem, problemOf } from "./problem";
import type { InvitationToJoin, ListOfModel, SignInMethod, SignInMethods, StartBody } from "./schema";
import type { Me, ModelCard, SessionInfo } from "./types";

export type { InvitationToJoin, SignInMethod as SignInProvider };

/** A fetch that fails with a Problem: unreachable where nobody answered, else what the server said. */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem("unreachable", error instanceof Error ? error.message : String(error));
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export function postJson(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return call(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...init,
  });
}

/** The same for what is made once, though a browser sends it again by itself when its connection is cut. */
export function postOnce(path: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json", "idempotency-key": crypto.randomUUID() };
  return postJson(path, body, { headers });
}

/** Trades a one-time token for the session cookie. */
export async function logIn(token: string): Promise<SessionInfo> {
  return (await (await postJson("/auth/login", { token })).json()) as SessionInfo;
}

/** Without an organization, that of the server's operator is meant. */
export async function logInWithPassword(name: string, password: string, organization: string): Promise<void> {
  await postJson("/auth/login", { name, password, ...(organization === "" ? {} : { organization }) });
}

/** How one can sign in here, and what a password needs. */
export async function signInMethods(): Promise<SignInMethods> {
  return (await (await call("/auth/methods")).json()) as SignInMethods;
}

/**
 * The address at the identity provider where signing in goes on; it comes back to the path `to`. `link` adds the
 * identity to the account that is signed in.
 */
export async function startSignIn(
  provider: string,
  to: string,
  { invitation = null, link = false }: { invitation?: string | null; link?: boolean },
): Promise<string> {
  const path = `/auth/oidc/${encodeURIComponent(provider)}/start`;
  return ((await (await postJson(path, { to, invitation, link })).json()) as StartBody).url;
}

export async function invitationOf(token: string): Promise<InvitationToJoin> {
  return (await (await postJson("/auth/invitations", { token })).json()) as InvitationToJoin;
}

/** Makes the account of an invitation and signs in. */
export async function join(token: string, name: string, email: string | null, password: string): Promise<void> {
  await postJson("/auth/join", { token, name, email, password });
}

/** Puts a visitor on the waiting list; the answer is the same for every address. */
export async function askToJoin(name: string, email: string, reason: string): Promise<void> {
  await postJson("/auth/waiting-list", { name, email, reason });
}

export async function logOut(): Promise<void> {
  await postJson("/auth/logout", {});
}

/** Whose session the cookie is, or null where there is none. */
export async function currentSession(): Promise<SessionInfo | null> {
  try {
    return (await (await call("/auth/session")).json()) as SessionInfo;
  } catch (error) {
    if (error instanceof Problem && error.kind === "signedOut") return null;
    throw error;
  }
}

/** What the person may use in the chat, and what their organization wants conversations to begin with. */
export async function ownChat(): Promise<Me> {
  return (await (await call("/v1/me")).json()) as Me;
}

/** The models that can chat, the server's default first. */
export async function chatModels(): Promise<ModelCard[]> {
  const body = (await (await call("/v1/models")).json()) as ListOfModel;
  return body.data.filter((card) => card.capabilities.completion_chat);
}

/** Whether the server says that it can answer now; false also where nobody answers. */
export async function isReady(): Promise<boolean> {
  try {
    const response = await fetch("/ready", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    return response.ok;
  } catch {
    return false;
  }
}
