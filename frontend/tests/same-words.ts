/** Texts that a language rightly has as English has them: a text that is on no list here must be translated. */
import type { Language } from "../src/i18n/catalogue.svelte";

/** Names, and texts that are nothing but places to fill in. */
const NAMES = [
  "OpenAI, vLLM, llama.cpp…",
  "Azure OpenAI",
  "Azure AI",
  "Mistral",
  "Anthropic",
  "{action}: {name}",
  "{name}, {role}",
  "{field}: {text}",
];

const WORDS: Record<Exclude<Language, "en">, string> = {
  fr: "Conversation|Conversations|Sessions|Actions|active|Tokens|Message {number}|Invitations|Budgets|Budget|Net|Total|Description|Licence|Source|Introduction|Console|{count} tokens/s|Code, {language}",
  de: "Administrator|Name|Limits|Tokens|Person|Filter|Playground|Server|Budgets|Budget|Download|Upstreams|Streaming|Code, {language}|NAME",
  es: "Tokens|Total|{count} tokens/s",
  it: "Server|Password|Budget|Download|File|Streaming|Console|Formula",
};

export function isSame(language: Language, text: string): boolean {
  return language !== "en" && (NAMES.includes(text) || WORDS[language].split("|").includes(text));
}
