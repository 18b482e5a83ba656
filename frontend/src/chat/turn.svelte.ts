/** A question and its answer, as they are on the page. */
import type { Answer } from "./answer.svelte";
import type { QuestionOnPath } from "./tree";

export interface Question extends Omit<QuestionOnPath, "id"> {
  /** null until the server has it. */
  id: string | null;
}

export class Turn {
  /** The place on the page, which keeps what has the focus there. */
  readonly key: number;
  question = $state.raw<Question | null>(null);
  answer = $state.raw<Answer | null>(null);

  constructor(key: number, question: Question | null) {
    this.key = key;
    this.question = question;
  }

  /** The item that the next question is below. */
  get leafId(): string | null {
    return this.answer?.leafId ?? this.question?.id ?? null;
  }

  /** The id of a request for another answer: the last one's, where the server may have it without this page's knowing. */
  get nextRequestId(): string {
    const isUnheard = this.question?.id === null || this.answer?.id === null;
    return (isUnheard && this.answer?.requestId) || crypto.randomUUID();
  }

  has(itemId: string): boolean {
    return [this.question?.id, this.answer?.firstId, this.answer?.leafId].includes(itemId);
  }
}

/** A message that was searched for, and the turn that it is in. */
export interface Reached {
  turn: number;
  itemId: string;
}
