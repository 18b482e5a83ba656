import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "import.title": "Importer des conversations",
  "import.text":
    "Choisissez un export d’Aquilon (JSON), de ChatGPT (son archive, ou conversations.json) ou d’Open WebUI (discussions en JSON)\u00a0: 100\u00a0Mo au plus. Les conversations importées ne sont qu’à vous.",
  "import.choose": "Fichier",
  "import.start": "Importer",
  "import.running": "Importation…",
  "import.one": "{count} conversation a été importée.",
  "import.many": "{count} conversations ont été importées.",
  "import.skippedOne": "{count} a été laissée de côté\u00a0:",
  "import.skippedMany": "{count} ont été laissées de côté\u00a0:",
  "import.untitled": "Numéro {number} dans le fichier",
  "import.reason.already_imported": "elle est déjà ici",
  "import.reason.circle": "ses messages forment un cercle",
  "import.reason.repeated_id": "deux de ses messages ont le même identifiant",
  "import.reason.too_many_messages": "elle a trop de messages",
  "import.reason.message_too_large": "l’un de ses messages est trop volumineux",
  "import.reason.too_old": "elle est plus ancienne que ce qui est conservé ici",
  "import.reason.other": "elle est illisible",
  "import.notAnExport": "Ce fichier n’est pas un export lisible ici.",
  "import.tooLarge": "Ce fichier dépasse 100\u00a0Mo\u00a0: importez-le en plusieurs parties.",
  "import.busy": "D’autres importent en ce moment. Réessayez dans un instant.",
  "import.failed": "L’importation a échoué. Ce qui a été importé auparavant reste.",
};
