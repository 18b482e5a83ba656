/** What the page offers: in its menu, in the menu of a conversation, and in the palette (`palette/commands.ts`). */
import type { Session } from "../entrance/session.svelte";
import type { OwnMemory } from "./memory/memory.svelte";
import { t as m } from "./memory/texts";
import { conversationsChanged } from "./sidebar/changes";
import { conversationEntries, importEntry, type Entry } from "./transfer/entries/entries";
import type { Visit } from "./visit.svelte";

/** What the offers depend on, and what the page does where one is taken. */
export interface Offering {
  session: Session;
  visit: Visit;
  memory: OwnMemory;
  mayUse: (feature: string) => boolean;
  announce: (text: string) => void;
  onTemporary: () => void;
  onAssistants: () => void;
  /** Lets files be chosen; null where the conversation takes none. */
  onPick: (() => void) | null;
  onRetry: () => void;
  onSignOut: () => void;
}

/** In the menu of a conversation. `leaf`: its last item on the page, null where it isn't shown. */
export function entriesOf({ visit, mayUse }: Offering, id: string, leaf: string | null): Entry[] {
  const onVisibility = (visibility: "user" | "workspace") => {
    if (id === visit.conversation.id) visit.share(visibility);
    conversationsChanged();
  };
  return conversationEntries({ conversationId: id, leaf, onVisibility }, { mayShare: mayUse("sharing") });
}

/** In the page's menu. */
export function menuEntries(page: Offering): Omit<Entry, "icon">[] {
  const { memory, mayUse } = page;
  return [
    ...shownEntries(page),
    ...(mayUse("memory") ? [{ label: m("memory.title"), run: () => void memory.open() }] : []),
    ...(mayUse("import") ? [importEntry(() => conversationsChanged())] : []),
  ];
}

/** For the conversation on the page. */
export function shownEntries(page: Offering): Entry[] {
  const { id, last } = page.visit.conversation;
  return id === null ? [] : entriesOf(page, id, last?.leafId ?? null);
}
