/** Exports of a conversation as a file, and the dialog that imports some; it and its texts are loaded then. */
import { mount, unmount } from "svelte";
import { language, loadTexts } from "../../i18n/catalogue.svelte";

export type ExportFormat = "markdown" | "json";

/** Where the browser downloads a conversation from. `leaf`: for Markdown, the item up to which is exported. */
export function exportAddress(conversationId: string, format: ExportFormat, leaf: string | null = null): string {
  const query = new URLSearchParams({ format, language: language(), ...(leaf === null ? {} : { leaf }) });
  return `/v1/conversations/${encodeURIComponent(conversationId)}/export?${query}`;
}

/** Downloads it: the server names the file. */
export function exportConversation(conversationId: string, format: ExportFormat, leaf: string | null = null): void {
  const link = document.createElement("a");
  link.href = exportAddress(conversationId, format, leaf);
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

/** `onImported` is told after a file was imported, so that lists can be read again. */
export async function openImport(onImported: () => void): Promise<void> {
  const { default: ImportDialog } = await import("./ImportDialog.svelte");
  await loadTexts();
  const dialog = mount(ImportDialog, {
    target: document.body,
    props: { onImported, onClose: () => void unmount(dialog) },
  });
}
