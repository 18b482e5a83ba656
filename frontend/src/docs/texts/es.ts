import type { texts as english } from "./en";

/** Spanish, in forms that need neither «tú» nor «usted». */
export const texts: Record<keyof typeof english, string> = {
  "docs.title": "Referencia de la API",
  "docs.back": "Aquilon, a la conversación",
  "docs.intro": "Dirección base para clientes de OpenAI: {openai} — para clientes de Mistral: {mistral}",
  "docs.filter": "Buscar una ruta",
  "docs.noMatch": "Ninguna ruta coincide con «{text}».",
  "docs.endpoints": "Rutas",
  "docs.parameters": "Parámetros",
  "docs.body": "Cuerpo",
  "docs.responses": "Respuestas",
  "docs.example": "Ejemplo",
  "docs.required": "obligatorio",
  "docs.default": "por defecto {value}",
  "docs.keyNeeded": "necesita una clave",
  "docs.anyOf": "uno de",
  "docs.listOf": "lista de {type}",
  "docs.fields": "Campos",
  "docs.loading": "Leyendo la referencia…",
  "docs.failed":
    "No se ha podido leer la referencia en {address}: {message}. Se puede recargar la página cuando el servidor responda.",
  "docs.raw": "Lo mismo como JSON de OpenAPI",
  "docs.introduction": "Introducción",
  "docs.auth": "Autenticación",
  "docs.auth.text":
    "Un programa envía su clave de API con cada solicitud, como `Authorization: Bearer`. Las rutas que no la necesitan lo indican. Los ejemplos toman la clave de la variable `AQUILON_API_KEY`.",
  "docs.auth.key": "Crear una clave en la consola",
  "docs.auth.rights":
    "Una clave puede lo que permiten a la vez sus permisos, el rol de su persona y su espacio de trabajo. Un navegador, en cambio, entra con una cookie de sesión.",
  "docs.errors": "Errores",
  "docs.errors.text":
    "Una solicitud fallida recibe un estado y un mismo cuerpo para ambos tipos de clientes: `message` dice en inglés qué estaba mal y qué sería correcto, `code` sirve a los programas para distinguir, `param` nombra el campo afectado y `values` los números y nombres de `message`. Los clientes de OpenAI leen los mismos campos en `error`. Cada respuesta lleva un `x-request-id`, con el que la conoce el registro del servidor.",
  "docs.errors.400": "la solicitud no se puede responder tal como está; con 422, `detail` enumera los campos",
  "docs.errors.401": "falta la clave o no es válida",
  "docs.errors.403": "la clave o el rol no llega hasta ahí",
  "docs.errors.404": "no existe o pertenece a otra persona",
  "docs.errors.429":
    "se ha alcanzado un límite o un presupuesto: `limit` da su tipo y sus números, `retry-after` los segundos de espera",
  "docs.errors.500": "un fallo del servidor, o que ahora no tiene sitio: `retry-after` dice cuándo volver a intentarlo",
  "docs.stream": "Transmisión",
  "docs.stream.text":
    "Con `stream: true` la respuesta llega como eventos (server-sent events) mientras se escribe: cada `data` es un fragmento en JSON y el último es `[DONE]`. Lo que un modelo piensa antes de responder llega aparte, en `reasoning_content`. Con `stream_options: {include_usage: true}` se recibe al final el número de tokens. Un error a mitad de la transmisión es un evento `error` con el cuerpo anterior. Cerrar la conexión termina la respuesta; lo escrito hasta entonces se cuenta.",
};
