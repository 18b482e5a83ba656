/** A text's tokens as a person can read them. */
import type { TokenPiece } from "../../api/schema";

export interface ReadablePiece {
  piece: TokenPiece;
  /** What is written in the token's box: nothing in it is invisible. */
  label: string;
  /** The whole characters that it is a part of; null for a token of whole characters. */
  partOf: string | null;
  /** Whether the text goes on in a new line after it. */
  breaks: boolean;
}

const strict = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder();
const MOST_BYTES_OF_A_CHARACTER = 4;

/** Of tokens that share a character's bytes, each shows its own bytes and names the character. */
export function readable(pieces: readonly TokenPiece[]): ReadablePiece[] {
  const shown: ReadablePiece[] = [];
  let at = 0;
  while (at < pieces.length) {
    const length = groupLength(pieces, at);
    const group = pieces.slice(at, at + length);
    const whole = length > 1 ? visible(lenient.decode(new Uint8Array(group.flatMap((one) => one.bytes)))) : null;
    for (const piece of group) {
      shown.push({
        piece,
        label: piece.control ? piece.text : labelOf(piece.bytes),
        partOf: whole,
        breaks: piece.bytes.at(-1) === 10,
      });
    }
    at += length;
  }
  return shown;
}

/** How many tokens from a place on make whole characters together; 1 where none do. */
function groupLength(pieces: readonly TokenPiece[], at: number): number {
  const bytes: number[] = [];
  for (let length = 1; at + length <= pieces.length && length <= MOST_BYTES_OF_A_CHARACTER; length++) {
    bytes.push(...pieces[at + length - 1]!.bytes);
    if (isWhole(bytes)) return length;
  }
  return 1;
}

function isWhole(bytes: readonly number[]): boolean {
  try {
    strict.decode(new Uint8Array(bytes));
    return true;
  } catch {
    return false;
  }
}

/** Whole characters as such, other bytes in hexadecimal. */
export function labelOf(bytes: readonly number[]): string {
  let label = "";
  let stray: number[] = [];
  const flush = (): void => {
    if (stray.length > 0) label += `⟨${hex(stray)}⟩`;
    stray = [];
  };
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((size) => at + size <= bytes.length && isWhole(bytes.slice(at, at + size)));
    if (length === undefined) {
      stray.push(bytes[at]!);
      at += 1;
    } else {
      flush();
      label += visible(lenient.decode(new Uint8Array(bytes.slice(at, at + length))));
      at += length;
    }
  }
  flush();
  return label;
}

export function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
}

const SIGNS: Record<string, string> = { " ": "␣", "\n": "↵", "\t": "⇥", "\u00a0": "⍽" };

/** The text with a sign for each character that leaves no mark of its own. */
export function visible(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Zs}\p{M}]/gu, (character, at: number) => {
    const code = character.codePointAt(0)!;
    if (character in SIGNS) return SIGNS[character]!;
    const selectsVariant = code >= 0xfe00 && code <= 0xfe0f;
    if (/\p{M}/u.test(character) && !selectsVariant) return at === 0 ? `◌${character}` : character;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** Words as the language's own rules find them. */
export function countWords(text: string, language: string): number {
  let words = 0;
  for (const segment of new Intl.Segmenter(language, { granularity: "word" }).segment(text)) {
    if (segment.isWordLike) words += 1;
  }
  return words;
}
