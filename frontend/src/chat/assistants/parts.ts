/** What a conversation with an assistant shows of it, and the assistants beside the models. */
export { default as AssistantBadge } from "./AssistantBadge.svelte";
export { default as AssistantWelcome } from "./AssistantWelcome.svelte";
export { default as PickerAssistants } from "./PickerAssistants.svelte";
