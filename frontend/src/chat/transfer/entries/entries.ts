/** What the menus of the chat offer to do with one conversation, and with files of conversations. */
import { catalogue } from "../../../i18n/catalogue.svelte";
import type { IconName } from "../../../shared/Icon.svelte";
import { openShare, type Sharing } from "../../share/share";
import { exportConversation, openImport } from "../transfer";
import type { texts } from "./texts/en";

const t = catalogue<keyof typeof texts>({
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
});

export interface Entry {
  icon: IconName;
  label: string;
  run: () => void;
}

/** For the menu of a conversation. */
export function conversationEntries(sharing: Sharing, { mayShare }: { mayShare: boolean }): Entry[] {
  const { conversationId, leaf } = sharing;
  const share: Entry = { icon: "share", label: t("entries.share"), run: () => void openShare(sharing) };
  return [
    ...(mayShare ? [share] : []),
    {
      icon: "download",
      label: t("entries.markdown"),
      run: () => exportConversation(conversationId, "markdown", leaf),
    },
    { icon: "download", label: t("entries.json"), run: () => exportConversation(conversationId, "json") },
  ];
}

/** For the page's own menu. `onImported`: lists of conversations can be read again. */
export function importEntry(onImported: () => void): Entry {
  return { icon: "share", label: t("entries.import"), run: () => void openImport(onImported) };
}
