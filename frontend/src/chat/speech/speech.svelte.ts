/** The browser's own speech, where it works on the device: elsewhere audio would be sent to whoever made the browser. */

/** What of the recognition's interface is used; TypeScript doesn't know it yet. */
interface Recognition extends EventTarget {
  lang: string;
  continuous: boolean;
  interimResults: boolean;
  processLocally: boolean;
  start: () => void;
  stop: () => void;
}
interface RecognitionKind {
  new (): Recognition;
  available?: (options: LanguageHere) => Promise<string>;
  install?: (options: LanguageHere) => Promise<boolean>;
}
interface LanguageHere {
  langs: string[];
  processLocally: boolean;
}
interface Heard extends Event {
  resultIndex: number;
  results: ArrayLike<ArrayLike<{ transcript: string }> & { isFinal: boolean }>;
}

function recognition(): RecognitionKind | null {
  const kinds = globalThis as { SpeechRecognition?: RecognitionKind; webkitSpeechRecognition?: RecognitionKind };
  return kinds.SpeechRecognition ?? kinds.webkitSpeechRecognition ?? null;
}

const here = (language: string): LanguageHere => ({ langs: [language], processLocally: true });

/** Whether this browser understands a language without sending the audio away, or could once it has loaded it. */
export async function canDictate(language: string): Promise<"now" | "once loaded" | "never"> {
  const Kind = recognition();
  if (Kind?.available === undefined) return "never";
  try {
    const known = await Kind.available(here(language));
    if (known === "available") return "now";
    return Kind.install !== undefined && known.startsWith("download") ? "once loaded" : "never";
  } catch {
    return "never"; // a language that it doesn't know
  }
}

/** Lets the browser load a language, which stays on the device; returns whether it has it then. */
export async function loadDictation(language: string): Promise<boolean> {
  try {
    return (await recognition()?.install?.(here(language))) ?? false;
  } catch {
    return false;
  }
}

export class Dictation {
  running = $state(false);
  failed = $state(false);
  #current: Recognition | null = null;

  /** `onText` is given what was said, a phrase at a time. */
  start(language: string, onText: (text: string) => void): void {
    const Kind = recognition();
    if (Kind === null || this.running) return;
    const current = new Kind();
    Object.assign(current, { lang: language, continuous: true, interimResults: false, processLocally: true });
    current.addEventListener("result", (event) => {
      const { results, resultIndex } = event as Heard;
      for (let at = resultIndex; at < results.length; at++) {
        if (results[at]!.isFinal) onText(results[at]![0]!.transcript.trim());
      }
    });
    current.addEventListener("error", () => (this.failed = true));
    current.addEventListener("end", () => (this.running = false));
    this.#current = current;
    this.failed = false;
    this.running = true;
    current.start();
  }

  stop(): void {
    this.#current?.stop();
  }
}

/** The voices that speak on the device; browsers load the list late. */
class Voices {
  local = $state.raw<readonly SpeechSynthesisVoice[]>([]);

  constructor() {
    if (typeof speechSynthesis === "undefined") return;
    const read = () => (this.local = speechSynthesis.getVoices().filter((voice) => voice.localService));
    read();
    speechSynthesis.addEventListener("voiceschanged", read);
  }

  for(language: string): SpeechSynthesisVoice | null {
    const same = (voice: SpeechSynthesisVoice) => voice.lang.toLowerCase().split(/[-_]/)[0] === language;
    return this.local.find((voice) => same(voice) && voice.default) ?? this.local.find(same) ?? null;
  }
}

export const voices = new Voices();

/** Reads one text at a time. */
class Reading {
  /** What is being read. */
  key = $state.raw<object | null>(null);

  start(key: object, text: string, voice: SpeechSynthesisVoice): void {
    this.stop();
    this.key = key;
    const parts = spoken(text);
    parts.forEach((part, at) => {
      const utterance = new SpeechSynthesisUtterance(part);
      utterance.voice = voice;
      utterance.lang = voice.lang;
      const end = () => {
        if (this.key === key && at === parts.length - 1) this.key = null;
      };
      utterance.addEventListener("end", end);
      utterance.addEventListener("error", end);
      speechSynthesis.speak(utterance);
    });
    if (parts.length === 0) this.key = null;
  }

  stop(): void {
    this.key = null;
    if (typeof speechSynthesis !== "undefined") speechSynthesis.cancel();
  }
}

export const reading = new Reading();

/** A markdown text as it is read aloud, a paragraph at a time: without code and signs. */
export function spoken(markdown: string): string[] {
  return markdown
    .replace(/^ {0,3}(`{3,}|~{3,})[\s\S]*?^ {0,3}\1\s*$/gm, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\[\d{1,3}\]/g, "")
    .replace(/^\s*\|?[\s:|-]+\|?\s*$/gm, "")
    .replace(/[*_`#>|~]+/g, " ")
    .split(/\n\s*\n/)
    .map((part) => part.replace(/\s+/g, " ").trim())
    .filter((part) => part !== "");
}

/** Words that only one of the languages has, often. */
const COMMON: Record<string, string> = {
  en: "the and of to is that with for this are was it not you",
  fr: "le la les des et est que une dans pour qui sur avec pas vous",
  de: "der die das und ist nicht ein eine mit für auf den sich von zu",
  es: "el los las y es que una para con por del se no como más",
  it: "il gli che e è una per con di non sono della nel si più",
};

/** The language that a text is most likely in, among those of the pages; `otherwise` where nothing tells. */
export function languageOf(text: string, otherwise: string): string {
  const words =
    text
      .slice(0, 4000)
      .toLowerCase()
      .match(/\p{L}+/gu) ?? [];
  let [best, most] = [otherwise, 0];
  for (const [language, common] of Object.entries(COMMON)) {
    const known = new Set(common.split(" "));
    const hits = words.filter((word) => known.has(word)).length;
    if (hits > most || (hits === most && hits > 0 && language === otherwise)) [best, most] = [language, hits];
  }
  return best;
}
