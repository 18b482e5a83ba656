/** The commands for the conversation on the page, its models and its person. */
import { t } from "../../i18n/catalogue.svelte";
import { copyText } from "../../shared/clipboard.svelte";
import { d } from "../documents/texts";
import { t as m } from "../memory/texts";
import { modelName } from "../models";
import { shownEntries, type Offering } from "../offers";
import { conversationsChanged } from "../sidebar/changes";
import { t as word } from "../sidebar/texts";
import { c } from "../texts";
import { importEntry } from "../transfer/entries/entries";
import type { Action } from "./actions";

export function commandsFor(page: Offering): Action[] {
  const { session, visit, memory, mayUse, onTemporary, onAssistants, onPick, onSignOut } = page;
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
      .filter(({ id }) => id !== visit.model?.id)
      .map((other) => ({
        id: `model ${other.id}`,
        label: word("palette.model", { model: modelName(other) }),
        run: () => visit.chooseModel(other.id),
      })),
    { id: "sign out", label: t("menu.signOut"), run: onSignOut },
  ];
}

/** For the last answer. */
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
