/** Look inside an answer from any page: load this module when somebody asks for it. */
import "../explore.css";
import { mount, unmount } from "svelte";
import { loadTexts } from "../../i18n/catalogue.svelte";
import type { PromptMessage } from "../lib/tokenize";
import InsideDialog from "./InsideDialog.svelte";

export interface LookedAt {
  /** A model that runs on this server. */
  model: string;
  /**
   * The conversation up to the answer. If its last message is the assistant's, that answer is looked into; else the
   * model answers anew.
   */
  messages: readonly PromptMessage[];
}

/** Resolves when the panel is closed. */
export async function openInside({ model, messages }: LookedAt): Promise<void> {
  await loadTexts();
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
  const panel = mount(InsideDialog, { target: document.body, props: { model, messages, onClose } });
  await closed;
  await unmount(panel);
}
