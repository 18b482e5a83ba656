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
import type { Answer } from "../answer.svelte";
import type { Conversation } from "../conversation.svelte";
import type { Turn } from "../turn.svelte";
import type { Opening } from "./opening";

/** Of a question that becomes an entry, in characters. */
const LONGEST_ENTRY = 500;

/** It is a help: where it can't be read or asked, the talk goes on without a word. */
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
    await passing(async () => {
      this.settings = (await (await call("/v1/memories/settings")).json()) as MemorySettingsBody;
    });
  }

  /** Which entries the answers of a conversation used. */
  async readUses(conversationId: string): Promise<void> {
    if (!this.on) return;
    await passing(async () => {
      const answer = await call(`/v1/conversations/${encodeURIComponent(conversationId)}/memories`);
      this.#add(((await answer.json()) as ListOfUsedMemories).data);
    });
  }

  /** After an answer: what it used, and what the model would remember of its question. */
  async learnFrom(conversation: Conversation, answer: Answer): Promise<void> {
    const { id, temporary } = conversation;
    if (!this.on || id === null || temporary || answer.id === null) return;
    await this.#readUsesOf(answer.id);
    if (answer.state !== "finished" || answer.begunElsewhere) return;
    await conversation.settled;
    const item = conversation.turns.find((turn) => turn.answer === answer)?.question?.id ?? null;
    if (item !== null) await this.#propose({ conversation_id: id, item_id: item });
  }

  async #readUsesOf(responseId: string): Promise<void> {
    await passing(async () => {
      const answer = await call(`/v1/responses/${encodeURIComponent(responseId)}/memories`);
      this.#add([(await answer.json()) as UsedMemories]);
    });
  }

  /** Asks the model what to remember of a message, if the person wants that. */
  async #propose(source: MemorySource): Promise<void> {
    this.proposed = 0;
    if (!this.settings?.proposes) return;
    await passing(async () => {
      const answer = await postJson("/v1/memories/proposals", source);
      this.proposed = ((await answer.json()) as ListOfProposalBody).data.length;
    });
  }

  /** Opens the memory with a question as a new entry. */
  remember({ id }: Conversation, { question }: Turn): void {
    const item = question?.id ?? null;
    void this.open({
      text: question?.text.slice(0, LONGEST_ENTRY) ?? "",
      source: id === null || item === null ? null : { conversation_id: id, item_id: item },
    });
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

async function passing(reading: () => Promise<void>): Promise<void> {
  await reading().catch(() => undefined);
}
