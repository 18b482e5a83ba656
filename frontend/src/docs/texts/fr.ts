import type { texts as english } from "./en";

/** French, with a no-break space before « : » and in quotation marks, a narrow one before « ; ! ? ». */
export const texts: Record<keyof typeof english, string> = {
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
    "Une requête qui échoue reçoit un état et un seul corps pour les deux sortes de clients\u00a0: `message` dit en anglais ce qui n’allait pas et ce qui irait, `code` sert aux programmes, `param` nomme le champ en cause, `values` contient les nombres et les noms de `message`. Les clients d’OpenAI lisent les mêmes champs sous `error`. Chaque réponse porte un `x-request-id`, que connaît le journal du serveur.",
  "docs.errors.400":
    "la requête ne peut pas recevoir de réponse telle quelle\u202f; avec 422, `detail` énumère les champs",
  "docs.errors.401": "il n’y a pas de clé, ou elle ne vaut pas",
  "docs.errors.403": "la clé ou le rôle ne va pas jusque-là",
  "docs.errors.404": "cela n’existe pas, ou appartient à quelqu’un d’autre",
  "docs.errors.429":
    "une limite ou un budget est atteint\u00a0: `limit` en donne le genre et les nombres, `retry-after` les secondes à attendre",
  "docs.errors.500":
    "la faute du serveur, ou un manque de place pour l’instant\u00a0: `retry-after` dit quand réessayer",
  "docs.stream": "Le flux",
  "docs.stream.text":
    "Avec `stream: true`, la réponse arrive en événements (server-sent events) à mesure qu’elle s’écrit\u00a0: chaque `data` en est un morceau en JSON, le dernier est `[DONE]`. Ce qu’un modèle pense avant de répondre arrive à part, dans `reasoning_content`. Demandez `stream_options: {include_usage: true}` pour avoir à la fin le compte des tokens. Une erreur en cours de flux est un événement `error` avec le corps ci-dessus. Fermer la connexion arrête la réponse\u202f; ce qui était écrit est compté.",
};
