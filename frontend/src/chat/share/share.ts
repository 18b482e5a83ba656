/** Opens the dialog in which a conversation is shared; it and its texts are loaded then. */
import { mount, unmount } from "svelte";
import { loadTexts } from "../../i18n/catalogue.svelte";
import type { Sharing } from "./sharing";

export type { Sharing } from "./sharing";

export async function openShare(sharing: Sharing): Promise<void> {
  const { default: ShareDialog } = await import("./ShareDialog.svelte");
  await loadTexts();
  const dialog = mount(ShareDialog, {
    target: document.body,
    props: { ...sharing, onClose: () => void unmount(dialog) },
  });
}
