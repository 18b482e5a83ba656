/** Roles in words. */
import { t, type ConsoleKey } from "./catalogue.svelte";

const NAMES: Partial<Record<string, ConsoleKey>> = {
  owner: "role.owner",
  administrator: "role.administrator",
  developer: "role.developer",
  member: "role.member",
  billing: "role.billing",
};

const MAY: Partial<Record<string, ConsoleKey>> = {
  owner: "role.owner.may",
  administrator: "role.administrator.may",
  developer: "role.developer.may",
  member: "role.member.may",
  billing: "role.billing.may",
};

export function roleName(role: string): string {
  const key = NAMES[role];
  return key === undefined ? role : t(key);
}

/** What somebody with this role may do. */
export function roleMay(role: string): string {
  const key = MAY[role];
  return key === undefined ? "" : t(key);
}
