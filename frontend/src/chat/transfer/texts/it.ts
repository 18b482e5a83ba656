import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "import.title": "Importa conversazioni",
  "import.text":
    "Si può scegliere un’esportazione di Aquilon (JSON), di ChatGPT (l’archivio o conversations.json) o di Open WebUI (chat in JSON): al massimo 100\u00a0MB. Le conversazioni importate restano personali.",
  "import.choose": "File",
  "import.start": "Importa",
  "import.running": "Importazione…",
  "import.one": "È stata importata {count} conversazione.",
  "import.many": "Sono state importate {count} conversazioni.",
  "import.skippedOne": "{count} è stata tralasciata:",
  "import.skippedMany": "{count} sono state tralasciate:",
  "import.untitled": "Numero {number} nel file",
  "import.reason.already_imported": "è già qui",
  "import.reason.circle": "i suoi messaggi formano un cerchio",
  "import.reason.repeated_id": "due dei suoi messaggi hanno lo stesso identificativo",
  "import.reason.too_many_messages": "ha troppi messaggi",
  "import.reason.message_too_large": "uno dei suoi messaggi è troppo grande",
  "import.reason.too_old": "è più vecchia di quanto qui si conservi",
  "import.reason.other": "non si può leggere",
  "import.notAnExport": "Questo file non è un’esportazione che si possa leggere qui.",
  "import.tooLarge": "Questo file supera i 100\u00a0MB: va importato in più parti.",
  "import.busy": "Sono in corso altre importazioni. Si può riprovare tra poco.",
  "import.failed": "L’importazione non è riuscita. Ciò che è stato importato prima resta.",
};
