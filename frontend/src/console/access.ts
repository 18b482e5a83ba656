/** What the person at the console may do. What they may not is not shown; the server refuses it all the same. */
import type { Place, SessionInfo } from "../api/types";

export type Action =
  | "generate"
  | "files.use"
  | "batches.use"
  | "fine_tuning.use"
  | "usage.read"
  | "billing.manage"
  | "keys.create"
  | "keys.manage"
  | "members.read"
  | "members.manage"
  | "owners.manage"
  | "workspaces.read"
  | "workspaces.manage"
  | "organization.update"
  | "audit.read"
  | "server.manage";

export const ROLES = ["owner", "administrator", "developer", "member", "billing"] as const;

/** The roles that reach into every workspace, as the server has them. */
const REACHING: Partial<Record<string, readonly Action[] | "all">> = {
  owner: "all",
  administrator: "all",
  billing: ["usage.read", "billing.manage", "members.read", "workspaces.read"],
};

export class Access {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly email: string | null;
  readonly hasPassword: boolean;
  readonly organization: string;
  readonly organizationId: string;
  readonly workspace: Place | null;
  readonly workspaces: readonly Place[];
  /** Whether the person manages what all organizations share. */
  readonly operates: boolean;
  #permitted: ReadonlySet<string>;

  constructor(info: SessionInfo) {
    this.id = info.user.id;
    this.name = info.user.name;
    this.role = info.user.role;
    this.email = info.user.email;
    this.hasPassword = info.user.has_password;
    this.organization = info.organization.name;
    this.organizationId = info.organization.id;
    this.workspace = info.workspace;
    this.workspaces = info.workspaces;
    this.#permitted = new Set(info.permissions);
    this.operates = info.organization.operates && this.may("server.manage");
  }

  /** In the present workspace, or in the organization as a whole. */
  may(action: Action): boolean {
    return this.#permitted.has(action);
  }

  /** In the organization as a whole: a role in a workspace is not enough. */
  mayEverywhere(action: Action): boolean {
    const reach = REACHING[this.role] ?? [];
    return this.may(action) && (reach === "all" || reach.includes(action));
  }
}
