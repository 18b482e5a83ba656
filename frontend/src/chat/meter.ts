/** How fast an answer arrives. Times are milliseconds of one clock, given by the caller. */

export interface Figures {
  /** Seconds from the question to the first token; null until it came. */
  firstToken: number | null;
  tokens: number;
  words: number;
  /** After the first token; null while there is too little to divide. */
  tokensPerSecond: number | null;
  wordsPerSecond: number | null;
}

const SHORTEST_SPAN_MS = 250;
/** Characters that are counted anew each time the words are asked for. */
const LONGEST_OPEN = 512;

/** Counts words as they stream, by Unicode's word boundaries: also right where words have no spaces between them. */
export class WordCounter {
  #segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  #open = "";
  #closed = 0;

  /** Costs next to nothing: to begin a segmentation takes longer than to count a token's words. */
  add(text: string): void {
    this.#open += text;
    if (this.#open.length <= LONGEST_OPEN) return;
    const lastSpace = Math.max(this.#open.lastIndexOf(" "), this.#open.lastIndexOf("\n"));
    const border = lastSpace < 0 ? this.#open.length : lastSpace + 1;
    this.#closed += this.#count(this.#open.slice(0, border));
    this.#open = this.#open.slice(border);
  }

  get words(): number {
    return this.#closed + this.#count(this.#open);
  }

  #count(text: string): number {
    let words = 0;
    for (const part of this.#segmenter.segment(text)) if (part.isWordLike) words++;
    return words;
  }
}

export class Meter {
  #asked: number;
  #first: number | null = null;
  #last = 0;
  #tokens = 0;
  #words = new WordCounter();

  constructor(now: number) {
    this.#asked = now;
  }

  /** Pieces of the answer: the server sends one a token, or one for the few tokens that make a character. */
  add(text: string, now: number, pieces = 1): void {
    this.#first ??= now;
    this.#last = now;
    this.#tokens += pieces;
    this.#words.add(text);
  }

  /** The server's own count of the tokens, exact, known at the end. */
  settle(completionTokens: number): void {
    this.#tokens = completionTokens;
  }

  figures(): Figures {
    const span = this.#first === null ? 0 : this.#last - this.#first;
    const words = this.#words.words;
    const rate = (count: number) => (span >= SHORTEST_SPAN_MS ? (Math.max(0, count - 1) * 1000) / span : null);
    return {
      firstToken: this.#first === null ? null : (this.#first - this.#asked) / 1000,
      tokens: this.#tokens,
      words,
      tokensPerSecond: rate(this.#tokens),
      wordsPerSecond: rate(words),
    };
  }
}
