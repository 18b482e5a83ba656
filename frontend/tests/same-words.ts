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
  "{number}: {title}",
  "Top p",
  "Code {language}",
];

const WORDS: Record<Exclude<Language, "en">, string> = {
  fr: "Conversation|Conversations|Sessions|Actions|active|Tokens|Message {number}|Invitations|Budgets|Budget|Net|Total|Description|Licence|Source|Introduction|Console|{count} tokens/s|Code, {language}|Question|Alternatives|Branches|Instructions|Points|Votes|Assistants|Place|E-mail|Quotas|Messages|Documents|Information|Source {number}|Page {page}|Chat|validation|Alias|Invitation|Message",
  de: "Administrator|Name|Limits|Tokens|Person|Filter|Playground|Server|Budgets|Budget|Download|Upstreams|Streaming|Code, {language}|NAME|Text|Bytes|Tokens: {count}|Link|Chat|Import|Information|Alias|Name (optional)",
  es: "Tokens|Total|{count} tokens/s|{text}, id {id}|Id|Bytes|Tokens: {count}|Chat|Alias|Roles|no",
  it: "Server|Password|Budget|Download|File|Streaming|Console|Formula|{text}, id {id}|Id|Link|E-mail|Chat|Alias|no|{count}%",
};

export function isSame(language: Language, text: string): boolean {
  return language !== "en" && (NAMES.includes(text) || WORDS[language].split("|").includes(text));
}
