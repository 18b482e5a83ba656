/** The person's memory as the page needs it: whether it is on, which entries answers used, what models suggest. */
import { mount, unmount } from "svelte";
import type {
  ListOfProposalBody,
  ListOfUsedMemories,
  MemorySettingsBody,
  MemorySource,
  UsedMemories,
} from "../../api/schema";
import { call, postJson } from "../../api/server";
import { loadTexts } from "../../i18n/catalogue.svelte";
import type { Opening } from "./opening";

export class OwnMemory {
  settings = $state.raw<MemorySettingsBody | null>(null);
  /** By response, the ids of the entries that it used. */
  uses = $state.raw<ReadonlyMap<string, readonly string[]>>(new Map());
  /** How many suggestions came with the last answer. */
  proposed = $state(0);

  get on(): boolean {
    return this.settings?.enabled ?? false;
  }

  async read(): Promise<void> {
    this.settings = (await (await call("/v1/memories/settings")).json()) as MemorySettingsBody;
  }

  /** Which entries the answers of a conversation used. */
  async readUses(conversationId: string): Promise<void> {
    if (!this.on) return;
    const answer = await call(`/v1/conversations/${encodeURIComponent(conversationId)}/memories`);
    const list = (await answer.json()) as ListOfUsedMemories;
    this.#add(list.data);
  }

  async readUsesOf(responseId: string): Promise<void> {
    if (!this.on) return;
    const answer = await call(`/v1/responses/${encodeURIComponent(responseId)}/memories`);
    this.#add([(await answer.json()) as UsedMemories]);
  }

  /** Asks the model what to remember of a message, if the person wants that. */
  async propose(source: MemorySource): Promise<void> {
    this.proposed = 0;
    if (!this.on || !this.settings?.proposes) return;
    const answer = await postJson("/v1/memories/proposals", source);
    this.proposed = ((await answer.json()) as ListOfProposalBody).data.length;
  }

  /** Opens the memory; the dialog and its texts are loaded then. */
  async open(opening: Opening = {}): Promise<void> {
    this.proposed = 0;
    const { default: MemoryDialog } = await import("./MemoryDialog.svelte");
    await loadTexts();
    const dialog = mount(MemoryDialog, {
      target: document.body,
      props: {
        ...opening,
        onSettings: (settings: MemorySettingsBody) => (this.settings = settings),
        onClose: () => void unmount(dialog),
      },
    });
  }

  #add(used: readonly UsedMemories[]): void {
    const more = used.filter(({ memory_ids }) => memory_ids.length > 0);
    if (more.length === 0) return;
    this.uses = new Map([...this.uses, ...more.map((one) => [one.response_id, one.memory_ids] as const)]);
  }
}
