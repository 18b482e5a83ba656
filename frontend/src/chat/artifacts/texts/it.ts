import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "artifact.open": "Apri accanto",
  "artifact.html": "Pagina web",
  "artifact.svg": "Disegno",
  "artifact.markdown": "Testo",
  "artifact.table": "Tabella",
  "artifact.code": "Codice {language}",
  "artifact.preview": "Anteprima",
  "artifact.source": "Testo sorgente",
  "artifact.sides": "Che cosa si mostra",
  "artifact.download": "Scarica",
  "artifact.versions": "Versioni",
  "artifact.previous": "Versione precedente",
  "artifact.next": "Versione successiva",
};
