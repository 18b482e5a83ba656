import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "artifact.open": "Daneben öffnen",
  "artifact.html": "Webseite",
  "artifact.svg": "Zeichnung",
  "artifact.markdown": "Dokument",
  "artifact.table": "Tabelle",
  "artifact.code": "Code {language}",
  "artifact.preview": "Vorschau",
  "artifact.source": "Quelltext",
  "artifact.sides": "Was gezeigt wird",
  "artifact.download": "Herunterladen",
  "artifact.versions": "Fassungen",
  "artifact.previous": "Vorige Fassung",
  "artifact.next": "Nächste Fassung",
};
