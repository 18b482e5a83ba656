import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "speech.read": "Leer en voz alta",
  "speech.stop": "Detener la lectura",
  "speech.dictate": "Dictar",
  "speech.stopDictating": "Detener el dictado",
  "speech.listening": "Escuchando. Nada sale de este dispositivo.",
  "speech.failed": "El dictado terminó: no se puede usar el micrófono.",
  "speech.load": "Dictar: el navegador carga antes este idioma, en este dispositivo",
  "speech.loading": "El navegador está cargando el idioma, en este dispositivo.",
  "speech.missing": "El navegador no ha podido cargar este idioma: el dictado no funciona aquí.",
};
