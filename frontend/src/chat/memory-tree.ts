/** The tree of a conversation that is kept nowhere: it has the same paths as one on the server. */
import type { Entry, PathPage, Siblings } from "./tree";

interface Node {
  id: string;
  parentId: string | null;
  role: "user" | "assistant";
  text: string;
  thoughts: string;
}

export class MemoryTree {
  #nodes = new Map<string, Node>();
  /** By parent, in the order in which they came; null for those at the beginning. */
  #children = new Map<string | null, string[]>();
  #head: string | null = null;

  get head(): string | null {
    return this.#head;
  }

  /** Adds an item below another one and makes it the head; returns its id. */
  add(parentId: string | null, role: Node["role"], text: string, thoughts = ""): string {
    const id = `item-${this.#nodes.size + 1}`;
    this.#nodes.set(id, { id, parentId, role, text, thoughts });
    this.#children.set(parentId, [...(this.#children.get(parentId) ?? []), id]);
    this.#head = id;
    return id;
  }

  moveHead(id: string): void {
    this.#head = id;
  }

  /** The path to an item, or the latest one through an item; without either, to the head. */
  path(of: { leaf?: string; through?: string } = {}): PathPage {
    const leaf = of.through === undefined ? (of.leaf ?? this.#head) : this.#lastBelow(of.through);
    const entries: Entry[] = [];
    for (let id = leaf; id !== null;) {
      const node = this.#nodes.get(id);
      if (node === undefined) throw new Error(`There is no item ${id}`);
      entries.push({ ...node, notes: [], answerId: null, siblings: this.#siblings(node), askedBy: null });
      id = node.parentId;
    }
    return { entries: entries.reverse(), answers: [], earlier: false };
  }

  /** The latest item in the part of the tree below one; ids count up. */
  #lastBelow(id: string): string {
    let last = id;
    const rest = [id];
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
      if (numberOf(next) > numberOf(last)) last = next;
      rest.push(...(this.#children.get(next) ?? []));
    }
    return last;
  }

  #siblings(node: Node): Siblings {
    const family = this.#children.get(node.parentId) ?? [];
    const at = family.indexOf(node.id);
    return {
      number: at + 1,
      count: family.length,
      previousId: family[at - 1] ?? null,
      nextId: family[at + 1] ?? null,
    };
  }
}

function numberOf(id: string): number {
  return Number(id.slice("item-".length));
}
