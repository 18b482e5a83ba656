import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "artifact.open": "Abrir al lado",
  "artifact.html": "Página web",
  "artifact.svg": "Dibujo",
  "artifact.markdown": "Texto",
  "artifact.table": "Tabla",
  "artifact.code": "Código {language}",
  "artifact.preview": "Vista previa",
  "artifact.source": "Texto fuente",
  "artifact.sides": "Qué se muestra",
  "artifact.download": "Descargar",
  "artifact.versions": "Versiones",
  "artifact.previous": "Versión anterior",
  "artifact.next": "Versión siguiente",
};
