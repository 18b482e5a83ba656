/** The branches as a tree in one list: each below the one that it leaves. */
import { labelOf } from "../lib/pieces";
import type { Branch } from "./branches.svelte";

export interface Twig {
  branch: Branch;
  depth: number;
  /** The token that it replaced, and the one that it goes on from; null for the first answer. */
  swap: { from: string; to: string } | null;
}

export function twigs(branches: readonly Branch[]): Twig[] {
  const below = (parent: number | null, depth: number): Twig[] =>
    branches
      .filter((branch) => branch.parent === parent)
      .flatMap((branch) => [{ branch, depth, swap: swapOf(branch, branches) }, ...below(branch.number, depth + 1)]);
  return below(null, 0);
}

function swapOf(branch: Branch, branches: readonly Branch[]): Twig["swap"] {
  if (branch.parent === null) return null;
  const [from, to] = [branches[branch.parent]?.tokens[branch.at], branch.tokens[branch.at]];
  return from === undefined || to === undefined ? null : { from: readableToken(from), to: readableToken(to) };
}

/** A control token by its name, any other by its bytes. */
export function readableToken(token: { token: string; bytes: readonly number[] }): string {
  return token.bytes.length === 0 ? token.token : labelOf(token.bytes);
}
