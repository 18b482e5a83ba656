/** What the page offers: in its menu, in the menu of a conversation, and as commands of the palette. */
import { t } from "../i18n/catalogue.svelte";
import { preferences } from "../preferences.svelte";
import { copyText } from "../shared/clipboard.svelte";
import type { Session } from "../entrance/session.svelte";
import { d } from "./documents/texts";
import type { OwnMemory } from "./memory/memory.svelte";
import { t as m } from "./memory/texts";
import { modelName } from "./models";
import type { Action } from "./palette/actions";
import { conversationsChanged } from "./sidebar/changes";
import { t as word } from "./sidebar/texts";
import { c } from "./texts";
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

/** In the palette. */
export function commands(page: Offering): Action[] {
  const { session, memory, mayUse, onTemporary, onAssistants, onPick, onSignOut } = page;
  return [
    ...answerCommands(page),
    ...shownEntries(page).map(({ label, run }) => ({ id: label, label, run })),
    { id: "temporary", label: c("talk.temporary"), run: onTemporary },
    { id: "assistants", label: word("palette.assistants"), run: onAssistants },
    ...(onPick === null ? [] : [{ id: "attach", label: d("doc.attach"), run: onPick }]),
    ...(mayUse("memory") ? [{ id: "memory", label: m("memory.title"), run: () => void memory.open() }] : []),
    ...(mayUse("import")
      ? [importEntry(() => conversationsChanged())].map((entry) => ({ id: "import", ...entry }))
      : []),
    ...(mayUse("explore") ? [{ id: "explore", label: c("talk.explore"), run: () => location.assign("/explore") }] : []),
    ...session.models
      .filter(({ id }) => id !== session.model?.id)
      .map((other) => ({
        id: `model ${other.id}`,
        label: word("palette.model", { model: modelName(other) }),
        run: () => preferences.chooseModel(other.id),
      })),
    { id: "sign out", label: t("menu.signOut"), run: onSignOut },
  ];
}

/** For the conversation on the page. */
function shownEntries(page: Offering): Entry[] {
  const { id, last } = page.visit.conversation;
  return id === null ? [] : entriesOf(page, id, last?.leafId ?? null);
}

/** For its last answer. */
function answerCommands({ visit, announce, onRetry }: Offering): Action[] {
  const { last, answering } = visit.conversation;
  const answer = last?.answer ?? null;
  if (answering || answer === null) return [];

  async function copy(text: string): Promise<void> {
    announce(""); // so that the same words are said again
    announce(t((await copyText(text)) ? "turn.copied" : "turn.copyFailed"));
  }

  return [
    { id: "copy", label: t("turn.copy"), run: () => void copy(answer.text) },
    { id: "again", label: t("turn.retry"), run: onRetry },
  ];
}
