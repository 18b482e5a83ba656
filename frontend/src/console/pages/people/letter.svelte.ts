/** The e-mail that brings somebody an invitation, in a language that the sender chooses. The server sends none. */
import { fill, language, type Language } from "../../../i18n/catalogue.svelte";
import type { texts } from "./texts/en";

type Texts = Record<keyof typeof texts, string>;

const TEXTS: Record<Language, () => Promise<{ texts: Texts }>> = {
  en: () => import("./texts/en"),
  fr: () => import("./texts/fr"),
  de: () => import("./texts/de"),
  es: () => import("./texts/es"),
  it: () => import("./texts/it"),
};

export interface Invited {
  /** Empty for several people. */
  name: string;
  /** Empty where it isn't known. */
  email: string;
  link: string;
  /** In seconds since 1970. */
  expires_at: number;
}

export class Letter {
  language = $state<Language>(language());
  #loaded = $state.raw<{ language: Language; texts: Texts } | null>(null);
  readonly #organization: string;

  constructor(organization: string) {
    this.#organization = organization;
  }

  /** Loads the texts of the chosen language; what was there stays until then. */
  async load(): Promise<void> {
    const wanted = this.language;
    const { texts } = await TEXTS[wanted]();
    if (wanted === this.language) this.#loaded = { language: wanted, texts };
  }

  text(invited: Invited): string {
    const date = new Intl.DateTimeFormat(this.#loaded?.language, { dateStyle: "long" });
    const hello = invited.name === "" ? "letter.helloAll" : "letter.hello";
    return [
      this.#say(hello, { name: invited.name }),
      this.#say("letter.text", { date: date.format(invited.expires_at * 1000) }),
      invited.link,
      this.#say("letter.machine"),
    ].join("\n\n");
  }

  /** Opens the e-mail in the sender's own program. */
  address(invited: Invited): string {
    const [subject, body] = [this.#say("letter.subject"), this.text(invited)].map((text) =>
      encodeURIComponent(text.replaceAll("\n", "\r\n")),
    );
    return `mailto:${encodeURIComponent(invited.email)}?subject=${subject}&body=${body}`;
  }

  #say(key: keyof Texts, values: Record<string, string> = {}): string {
    if (this.#loaded === null) return "";
    return fill(this.#loaded.texts[key], { organization: this.#organization, ...values }, this.#loaded.language);
  }
}
