import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "import.title": "Unterhaltungen importieren",
  "import.text":
    "Wählen Sie einen Export von Aquilon (JSON), von ChatGPT (das Archiv oder conversations.json) oder von Open WebUI (Chats als JSON): höchstens 100\u00a0MB. Importierte Unterhaltungen gehören nur Ihnen.",
  "import.choose": "Datei",
  "import.start": "Importieren",
  "import.running": "Wird importiert…",
  "import.one": "{count} Unterhaltung wurde importiert.",
  "import.many": "{count} Unterhaltungen wurden importiert.",
  "import.skippedOne": "{count} wurde ausgelassen:",
  "import.skippedMany": "{count} wurden ausgelassen:",
  "import.untitled": "Nummer {number} in der Datei",
  "import.reason.already_imported": "sie ist schon hier",
  "import.reason.circle": "ihre Nachrichten bilden einen Kreis",
  "import.reason.repeated_id": "zwei ihrer Nachrichten haben dieselbe Kennung",
  "import.reason.too_many_messages": "sie hat zu viele Nachrichten",
  "import.reason.message_too_large": "eine ihrer Nachrichten ist zu groß",
  "import.reason.too_old": "sie ist älter, als Unterhaltungen hier aufbewahrt werden",
  "import.reason.other": "sie ist nicht lesbar",
  "import.notAnExport": "Diese Datei ist kein Export, der hier gelesen werden kann.",
  "import.tooLarge": "Diese Datei hat mehr als 100\u00a0MB: Importieren Sie sie in Teilen.",
  "import.busy": "Andere importieren gerade. Versuchen Sie es gleich noch einmal.",
  "import.failed": "Der Import ist fehlgeschlagen. Was vorher importiert wurde, bleibt.",
};
