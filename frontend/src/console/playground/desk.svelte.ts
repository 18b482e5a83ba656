/** What stands on the playground's desk: the call, its last answer, the prompt that was opened. A reload loses none. */
import { kept, keep } from "../../shared/kept";
import type { SavedPrompt } from "../api/prompts";
import { bodyOf, draftOf, emptyDraft, keptDraft, type Draft } from "./call";
import { Run, type KeptAnswer } from "./run.svelte";
import { LANGUAGES_OF_CODE, type CallBody, type CodeLanguage } from "./snippets";

const NAME = "playground";

interface KeptDesk {
  draft: unknown;
  answer: KeptAnswer | null;
  language: CodeLanguage;
  opened: { id: string; name: string } | null;
}

export class Desk {
  draft: Draft = $state(emptyDraft(""));
  run = $state.raw<Run | null>(null);
  language = $state<CodeLanguage>("curl");
  /** The saved prompt that the call comes from. */
  opened = $state.raw<{ id: string; name: string } | null>(null);
  readonly call = $derived(bodyOf(this.draft));
  readonly running = $derived(this.run?.state === "running");
  #userId: string;
  #models: readonly string[];
  #model: string;

  /** `model`: the one to begin with; `models`: those that there are. */
  constructor(userId: string, models: readonly string[], model: string) {
    this.#userId = userId;
    this.#models = models;
    this.#model = model;
    this.draft.model = model;
    this.#restore(kept(NAME, userId));
  }

  /** To be called where a change of what is on the desk is followed. */
  keep(): void {
    const { run } = this;
    const desk: KeptDesk = {
      draft: $state.snapshot(this.draft),
      answer: run === null || run.state === "running" || run.state === "failed" ? null : run.toKeep(),
      language: this.language,
      opened: this.opened,
    };
    keep(NAME, this.#userId, desk);
  }

  send(): void {
    if (this.running || Object.keys(this.call.errors).length > 0) return;
    this.run = new Run();
    void this.run.start(JSON.parse(JSON.stringify(this.call.body)) as CallBody);
  }

  /** The answer becomes a message, and the next question follows. */
  goOn(): void {
    if (this.run === null) return;
    this.draft.messages.push({ role: "assistant", content: this.run.text }, { role: "user", content: "" });
    this.run = null;
  }

  open(prompt: SavedPrompt): void {
    this.#clear(draftOf(prompt.messages, prompt.settings));
    this.opened = { id: prompt.id, name: prompt.name };
  }

  reset(): void {
    this.#clear(emptyDraft(this.draft.model));
  }

  #clear(draft: Draft): void {
    this.run?.stop();
    this.run = null;
    this.opened = null;
    this.draft = this.#answerable(draft);
  }

  /** A model that is gone gives way to the one that one begins with. */
  #answerable(draft: Draft): Draft {
    return this.#models.includes(draft.model) ? draft : { ...draft, model: this.#model };
  }

  #restore(value: unknown): void {
    const desk = value as KeptDesk | null;
    const draft = keptDraft(desk?.draft);
    if (desk === null || draft === null) return;
    this.draft = this.#answerable(draft);
    this.run = desk.answer === null ? null : Run.fromKept(desk.answer);
    this.language = LANGUAGES_OF_CODE.includes(desk.language) ? desk.language : "curl";
    this.opened = desk.opened;
  }
}
