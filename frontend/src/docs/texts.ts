/** The texts of the API reference, which the other pages don't load. */
import { fill, language, type Language } from "../i18n/catalogue.svelte";

const en = {
  "docs.title": "API reference",
  "docs.back": "Aquilon, to the conversation",
  "docs.intro": "Base address for OpenAI clients: {openai} — for Mistral clients: {mistral}",
  "docs.filter": "Find an endpoint",
  "docs.noMatch": "No endpoint matches “{text}”.",
  "docs.endpoints": "Endpoints",
  "docs.parameters": "Parameters",
  "docs.body": "Body",
  "docs.responses": "Answers",
  "docs.example": "Example",
  "docs.required": "required",
  "docs.default": "default {value}",
  "docs.keyNeeded": "needs a key",
  "docs.anyOf": "one of",
  "docs.listOf": "list of {type}",
  "docs.fields": "Fields",
  "docs.loading": "Reading the reference…",
  "docs.failed": "The reference could not be read from {address}: {message}. Reload the page once the server answers.",
  "docs.raw": "The same as OpenAPI JSON",
  "docs.introduction": "Introduction",
  "docs.auth": "Authentication",
  "docs.auth.text":
    "A program sends its API key with every request, as `Authorization: Bearer`. Routes that need none say so. The examples here take the key from the variable `AQUILON_API_KEY`.",
  "docs.auth.key": "Make a key in the console",
  "docs.auth.rights":
    "A key can do what its scopes, its person’s role and its workspace allow together. A browser signs in with a session cookie instead.",
  "docs.errors": "Errors",
  "docs.errors.text":
    "A failing request has a status and one body for both kinds of client: `message` says what was wrong and what would be right, `code` is for programs to branch on, `param` names the field at fault. OpenAI’s clients read the same fields under `error`. Every answer has an `x-request-id`, by which the server’s log knows it.",
  "docs.errors.400": "the request can’t be answered as it is; with 422, `detail` lists the fields",
  "docs.errors.401": "there is no key, or it is not one that works",
  "docs.errors.403": "the key or the role doesn’t reach so far",
  "docs.errors.404": "there is no such thing, or it belongs to somebody else",
  "docs.errors.429":
    "a limit or a budget is reached: `limit` has its kind and its numbers, `retry-after` the seconds to wait",
  "docs.errors.500": "the server’s own fault, or it has no room now: `retry-after` says when to try again",
  "docs.stream": "Streaming",
  "docs.stream.text":
    "With `stream: true` an answer comes as server-sent events while it is written: each `data` is a piece in JSON, the last is `[DONE]`. What a model thinks before it answers comes apart, as `reasoning_content`. Ask for `stream_options: {include_usage: true}` to get the count of tokens at the end. An error in mid-stream is an `error` event with the body above. Closing the connection ends the answer; what was written until then is counted.",
} as const;

export type DocsKey = keyof typeof en;

const fr: Record<DocsKey, string> = {
  "docs.title": "Référence de l’API",
  "docs.back": "Aquilon, vers la conversation",
  "docs.intro": "Adresse de base pour les clients OpenAI\u00a0: {openai} — pour les clients Mistral\u00a0: {mistral}",
  "docs.filter": "Chercher une route",
  "docs.noMatch": "Aucune route ne correspond à «\u00a0{text}\u00a0».",
  "docs.endpoints": "Routes",
  "docs.parameters": "Paramètres",
  "docs.body": "Corps",
  "docs.responses": "Réponses",
  "docs.example": "Exemple",
  "docs.required": "requis",
  "docs.default": "par défaut {value}",
  "docs.keyNeeded": "demande une clé",
  "docs.anyOf": "l’un de",
  "docs.listOf": "liste de {type}",
  "docs.fields": "Champs",
  "docs.loading": "Lecture de la référence…",
  "docs.failed":
    "La référence n’a pas pu être lue à {address}\u00a0: {message}. Rechargez la page quand le serveur répondra.",
  "docs.raw": "La même en JSON OpenAPI",
  "docs.introduction": "Introduction",
  "docs.auth": "S’authentifier",
  "docs.auth.text":
    "Un programme envoie sa clé d’API avec chaque requête, dans `Authorization: Bearer`. Les routes qui n’en demandent pas le disent. Les exemples prennent la clé dans la variable `AQUILON_API_KEY`.",
  "docs.auth.key": "Créer une clé dans la console",
  "docs.auth.rights":
    "Une clé peut ce que permettent ensemble ses droits, le rôle de sa personne et son espace de travail. Un navigateur, lui, se connecte par un cookie de session.",
  "docs.errors": "Les erreurs",
  "docs.errors.text":
    "Une requête qui échoue reçoit un état et un seul corps pour les deux sortes de clients\u00a0: `message` dit ce qui n’allait pas et ce qui irait, `code` sert aux programmes, `param` nomme le champ en cause. Les clients d’OpenAI lisent les mêmes champs sous `error`. Chaque réponse porte un `x-request-id`, que connaît le journal du serveur.",
  "docs.errors.400":
    "la requête ne peut pas recevoir de réponse telle quelle\u00a0; avec 422, `detail` énumère les champs",
  "docs.errors.401": "il n’y a pas de clé, ou elle ne vaut pas",
  "docs.errors.403": "la clé ou le rôle ne va pas jusque-là",
  "docs.errors.404": "cela n’existe pas, ou appartient à quelqu’un d’autre",
  "docs.errors.429":
    "une limite ou un budget est atteint\u00a0: `limit` en donne le genre et les nombres, `retry-after` les secondes à attendre",
  "docs.errors.500":
    "la faute du serveur, ou un manque de place pour l’instant\u00a0: `retry-after` dit quand réessayer",
  "docs.stream": "Le flux",
  "docs.stream.text":
    "Avec `stream: true`, la réponse arrive en événements (server-sent events) à mesure qu’elle s’écrit\u00a0: chaque `data` en est un morceau en JSON, le dernier est `[DONE]`. Ce qu’un modèle pense avant de répondre arrive à part, dans `reasoning_content`. Demandez `stream_options: {include_usage: true}` pour avoir à la fin le compte des tokens. Une erreur en cours de flux est un événement `error` avec le corps ci-dessus. Fermer la connexion arrête la réponse\u00a0; ce qui était écrit est compté.",
};

export const DOCS_TEXTS: Record<Language, Record<DocsKey, string>> = { en, fr, de: en, es: en, it: en };

/** The text for a key in the current language, its `{names}` filled in. */
export function d(key: DocsKey, values: Record<string, string | number> = {}): string {
  return fill(DOCS_TEXTS[language()][key], values);
}
