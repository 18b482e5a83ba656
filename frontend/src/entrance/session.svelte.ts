/** Who is at the page, and by which models they can be answered. */
import { Problem } from "../api/problem";
import { chatModels, currentSession, logIn, logOut, ownChat } from "../api/server";
import type { Me, ModelCard, SessionInfo, User } from "../api/types";
import { loadTexts } from "../i18n/catalogue.svelte";
import { preferences } from "../preferences.svelte";
import { forgetKept } from "../shared/kept";

export type SignedOutReason = "none" | "expired" | "refused" | "unreachable" | "left";

export class Session {
  phase = $state<"starting" | "signedOut" | "signedIn">("starting");
  reason = $state<SignedOutReason>("none");
  /** The server's words, where it refused. */
  refusal = $state.raw<Problem | null>(null);
  info = $state.raw<SessionInfo | null>(null);
  models = $state.raw<readonly ModelCard[]>([]);
  /** What the person may use in the chat; null before the sign-in. */
  me = $state.raw<Me | null>(null);
  /** Resolved when no sign-in is under way. */
  settled: Promise<void> = Promise.resolve();

  get user(): User | null {
    return this.info?.user ?? null;
  }

  /** The model chosen before, if it is still there, else the server's default; null where there is none. */
  get model(): ModelCard | null {
    return this.models.find((card) => card.id === preferences.model) ?? this.models[0] ?? null;
  }

  /** Opens the session: with the one-time token of the address if there is one, else with the cookie. */
  open(token: string | null): Promise<void> {
    return (this.settled = this.#open(token));
  }

  /** The texts are loaded meanwhile: what the phase shows needs them. */
  async #open(token: string | null): Promise<void> {
    const texts = loadTexts();
    try {
      const info = (token === null ? null : await this.#trade(token)) ?? (await currentSession());
      if (info === null) {
        await texts;
        if (this.reason === "unreachable") this.reason = "none";
        this.phase = "signedOut";
        return;
      }
      [this.models, this.me] = await Promise.all([chatModels(), ownChat(), texts]);
      this.info = info;
      this.reason = "none";
      this.phase = "signedIn";
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("invalid", String(error));
      await texts.catch(() => undefined);
      this.refusal = problem;
      this.reason = ["unreachable", "engine"].includes(problem.kind) ? "unreachable" : "refused";
      this.phase = "signedOut";
    }
  }

  async refreshModels(): Promise<void> {
    this.models = await chatModels();
  }

  async leave(): Promise<void> {
    await logOut();
    forgetKept();
    this.info = null;
    this.models = [];
    this.reason = "left";
    this.phase = "signedOut";
  }

  /** A used or unknown token is no failure here: the person may be signed in already. */
  async #trade(token: string): Promise<SessionInfo | null> {
    try {
      return await logIn(token);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.kind === "unreachable" || error.kind === "engine") throw error;
      this.reason = error.kind === "signedOut" ? "expired" : "refused";
      this.refusal = error;
      return null;
    }
  }
}

const KINDS = ["login", "invite", "sign-in-failed"] as const;

/** What a link carried: a one-time sign-in, an invitation, or why an identity provider's sign-in failed. */
export interface Ticket {
  kind: (typeof KINDS)[number];
  token: string;
  /** Of an invitation: whom it is for; empty where nobody said. */
  name: string;
  email: string;
}

/**
 * Takes `#login=TOKEN`, `#invite=TOKEN&name=NAME&email=EMAIL` or `#sign-in-failed=CODE` out of the address, so that it
 * stays in no history.
 */
export function takeFromAddress(): Ticket | null {
  const fields = new URLSearchParams(location.hash.slice(1));
  const kind = KINDS.find((each) => fields.has(each));
  if (kind === undefined) return null;
  history.replaceState(null, "", location.pathname + location.search);
  const field = (name: string) => fields.get(name) ?? "";
  return { kind, token: field(kind), name: field("name"), email: field("email") };
}
