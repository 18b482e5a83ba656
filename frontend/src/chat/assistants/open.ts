/** Opens the assistants: the dialog and its texts are loaded then. */
import { mount, unmount } from "svelte";
import { loadTexts } from "../../i18n/catalogue.svelte";
import type { Assistants } from "./assistants";

export async function openAssistants(given: Assistants): Promise<void> {
  const { default: AssistantsDialog } = await import("./AssistantsDialog.svelte");
  await loadTexts();
  const dialog = mount(AssistantsDialog, {
    target: document.body,
    props: { ...given, onClose: () => void unmount(dialog) },
  });
}

/** What shows the assistant of a conversation, loaded with the first one. */
export async function loadParts(): Promise<typeof import("./parts")> {
  const parts = await import("./parts");
  await loadTexts();
  return parts;
}
