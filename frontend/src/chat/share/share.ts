/** Opens the dialog in which a conversation is shared; it and its texts are loaded then. */
import { mount, unmount } from "svelte";
import { loadTexts } from "../../i18n/catalogue.svelte";

export interface Sharing {
  conversationId: string;
  /** The item up to which is shared; null for the conversation's latest one. */
  leaf: string | null;
  /** After everybody in the workspace was let in, or no longer is. */
  onVisibility?: (visibility: "user" | "workspace") => void;
}

export async function openShare(sharing: Sharing): Promise<void> {
  const { default: ShareDialog } = await import("./ShareDialog.svelte");
  await loadTexts();
  const dialog = mount(ShareDialog, {
    target: document.body,
    props: { ...sharing, onClose: () => void unmount(dialog) },
  });
}
