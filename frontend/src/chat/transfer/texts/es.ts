import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "import.title": "Importar conversaciones",
  "import.text":
    "Se puede elegir una exportación de Aquilon (JSON), de ChatGPT (el archivo comprimido o conversations.json) o de Open WebUI (chats en JSON): 100\u00a0MB como máximo. Las conversaciones importadas solo las ve quien las importa.",
  "import.choose": "Archivo",
  "import.start": "Importar",
  "import.running": "Importando…",
  "import.one": "Se ha importado {count} conversación.",
  "import.many": "Se han importado {count} conversaciones.",
  "import.skippedOne": "Se ha omitido {count}:",
  "import.skippedMany": "Se han omitido {count}:",
  "import.untitled": "Número {number} del archivo",
  "import.reason.already_imported": "ya está aquí",
  "import.reason.circle": "sus mensajes forman un círculo",
  "import.reason.repeated_id": "dos de sus mensajes tienen el mismo identificador",
  "import.reason.too_many_messages": "tiene demasiados mensajes",
  "import.reason.message_too_large": "uno de sus mensajes es demasiado grande",
  "import.reason.too_old": "es más antigua que lo que se conserva aquí",
  "import.reason.other": "no se puede leer",
  "import.notAnExport": "Este archivo no es una exportación que se pueda leer aquí.",
  "import.tooLarge": "Este archivo supera los 100\u00a0MB: conviene importarlo por partes.",
  "import.busy": "Hay otras importaciones en curso. Conviene volver a intentarlo en un momento.",
  "import.failed": "La importación ha fallado. Lo importado antes se conserva.",
};
