import type { texts as english } from "./en";

/** Italian, in forms that need neither «tu» nor «Lei». */
export const texts: Record<keyof typeof english, string> = {
  "docs.title": "Riferimento dell’API",
  "docs.back": "Aquilon, alla conversazione",
  "docs.intro": "Indirizzo di base per i client OpenAI: {openai} — per i client Mistral: {mistral}",
  "docs.filter": "Cerca una rotta",
  "docs.noMatch": "Nessuna rotta corrisponde a «{text}».",
  "docs.endpoints": "Rotte",
  "docs.parameters": "Parametri",
  "docs.body": "Corpo",
  "docs.responses": "Risposte",
  "docs.example": "Esempio",
  "docs.required": "obbligatorio",
  "docs.default": "valore predefinito {value}",
  "docs.keyNeeded": "richiede una chiave",
  "docs.anyOf": "uno tra",
  "docs.listOf": "elenco di {type}",
  "docs.fields": "Campi",
  "docs.loading": "Lettura del riferimento…",
  "docs.failed":
    "Non è stato possibile leggere il riferimento da {address}: {message}. Si può ricaricare la pagina quando il server risponde.",
  "docs.raw": "Lo stesso come JSON OpenAPI",
  "docs.introduction": "Introduzione",
  "docs.auth": "Autenticazione",
  "docs.auth.text":
    "Un programma manda la sua chiave API con ogni richiesta, come `Authorization: Bearer`. Le rotte che non ne hanno bisogno lo dicono. Gli esempi prendono la chiave dalla variabile `AQUILON_API_KEY`.",
  "docs.auth.key": "Crea una chiave nella console",
  "docs.auth.rights":
    "Una chiave può ciò che permettono insieme i suoi permessi, il ruolo della sua persona e la sua area di lavoro. Un browser accede invece con un cookie di sessione.",
  "docs.errors": "Errori",
  "docs.errors.text":
    "Una richiesta che fallisce riceve uno stato e uno stesso corpo per entrambi i tipi di client: `message` dice in inglese che cosa non andava e che cosa andrebbe bene, `code` serve ai programmi per distinguere, `param` nomina il campo in questione e `values` i numeri e i nomi di `message`. I client di OpenAI leggono gli stessi campi sotto `error`. Ogni risposta ha un `x-request-id`, con cui il registro del server la conosce.",
  "docs.errors.400": "la richiesta non può ricevere risposta così com’è; con 422, `detail` elenca i campi",
  "docs.errors.401": "manca la chiave, o non è valida",
  "docs.errors.403": "la chiave o il ruolo non arriva fin lì",
  "docs.errors.404": "non esiste, o appartiene a qualcun altro",
  "docs.errors.429":
    "è stato raggiunto un limite o un budget: `limit` ne dà il tipo e i numeri, `retry-after` i secondi di attesa",
  "docs.errors.500": "un errore del server, o ora non c’è posto: `retry-after` dice quando riprovare",
  "docs.stream": "Streaming",
  "docs.stream.text":
    "Con `stream: true` la risposta arriva come eventi (server-sent events) mentre viene scritta: ogni `data` è un pezzo in JSON, l’ultimo è `[DONE]`. Ciò che un modello pensa prima di rispondere arriva a parte, in `reasoning_content`. Con `stream_options: {include_usage: true}` alla fine arriva il numero di token. Un errore a metà del flusso è un evento `error` con il corpo qui sopra. Chiudere la connessione termina la risposta; ciò che è stato scritto fino ad allora viene contato.",
};
