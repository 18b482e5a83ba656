import type { texts as english } from "./en";

/** German, with its own quotation marks; people are addressed as „Sie“. */
export const texts: Record<keyof typeof english, string> = {
  "docs.title": "API-Referenz",
  "docs.back": "Aquilon, zur Unterhaltung",
  "docs.intro": "Basisadresse für OpenAI-Clients: {openai} – für Mistral-Clients: {mistral}",
  "docs.filter": "Eine Route suchen",
  "docs.noMatch": "Keine Route passt zu „{text}“.",
  "docs.endpoints": "Routen",
  "docs.parameters": "Parameter",
  "docs.body": "Rumpf",
  "docs.responses": "Antworten",
  "docs.example": "Beispiel",
  "docs.required": "erforderlich",
  "docs.default": "Standard {value}",
  "docs.keyNeeded": "braucht einen Schlüssel",
  "docs.anyOf": "eines von",
  "docs.listOf": "Liste von {type}",
  "docs.fields": "Felder",
  "docs.loading": "Die Referenz wird gelesen…",
  "docs.failed":
    "Die Referenz konnte nicht von {address} gelesen werden: {message}. Laden Sie die Seite neu, sobald der Server antwortet.",
  "docs.raw": "Dasselbe als OpenAPI-JSON",
  "docs.introduction": "Einführung",
  "docs.auth": "Authentifizierung",
  "docs.auth.text":
    "Ein Programm sendet mit jeder Anfrage seinen API-Schlüssel, als `Authorization: Bearer`. Routen, die keinen brauchen, sagen es. Die Beispiele hier nehmen den Schlüssel aus der Variablen `AQUILON_API_KEY`.",
  "docs.auth.key": "In der Konsole einen Schlüssel erstellen",
  "docs.auth.rights":
    "Ein Schlüssel kann, was seine Rechte, die Rolle seiner Person und sein Arbeitsbereich zusammen erlauben. Ein Browser meldet sich stattdessen mit einem Sitzungscookie an.",
  "docs.errors": "Fehler",
  "docs.errors.text":
    "Eine gescheiterte Anfrage hat einen Status und für beide Arten von Clients denselben Rumpf: `message` sagt auf Englisch, was falsch war und was richtig wäre, nach `code` unterscheiden Programme, `param` nennt das fehlerhafte Feld, `values` die Zahlen und Namen aus `message`. Die Clients von OpenAI lesen dieselben Felder unter `error`. Jede Antwort hat eine `x-request-id`, unter der das Protokoll des Servers sie kennt.",
  "docs.errors.400": "die Anfrage kann so nicht beantwortet werden; bei 422 nennt `detail` die Felder",
  "docs.errors.401": "es fehlt ein Schlüssel, oder er gilt nicht",
  "docs.errors.403": "der Schlüssel oder die Rolle reicht nicht so weit",
  "docs.errors.404": "das gibt es nicht, oder es gehört jemand anderem",
  "docs.errors.429":
    "ein Limit oder ein Budget ist erreicht: `limit` nennt Art und Zahlen, `retry-after` die Sekunden Wartezeit",
  "docs.errors.500":
    "ein Fehler des Servers, oder er hat gerade keinen Platz: `retry-after` sagt, wann es sich wieder lohnt",
  "docs.stream": "Streaming",
  "docs.stream.text":
    "Mit `stream: true` kommt eine Antwort als Server-Sent Events, während sie geschrieben wird: Jedes `data` ist ein Stück in JSON, das letzte ist `[DONE]`. Was ein Modell vor der Antwort denkt, kommt getrennt davon als `reasoning_content`. Mit `stream_options: {include_usage: true}` folgt am Ende die Zahl der Tokens. Ein Fehler mitten im Stream ist ein `error`-Ereignis mit dem Rumpf von oben. Wird die Verbindung geschlossen, endet die Antwort; was bis dahin geschrieben wurde, wird gezählt.",
};
