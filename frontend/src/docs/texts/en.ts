/** The texts of the API reference in English; their keys are the catalogue's type. */
export const texts = {
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
    "A failing request has a status and one body for both kinds of client: `message` says what was wrong and what would be right, `code` is for programs to branch on, `param` names the field at fault, `values` has the numbers and names in `message`, for those who say it in another language. OpenAI’s clients read the same fields under `error`. Every answer has an `x-request-id`, by which the server’s log knows it.",
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
