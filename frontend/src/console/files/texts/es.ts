import type { texts as en } from "./en";

export const texts: Record<keyof typeof en, string> = {
  "upload.drop": "Soltar archivos aquí, o",
  "upload.choose": "elegirlos",
  "upload.purpose": "Uso",
  "upload.batch": "lote: una solicitud por línea, en JSON",
  "upload.user_data": "documento, para bibliotecas y preguntas",
  "upload.ofMe": "Solo para mí",
  "upload.progress": "Subiendo {name}",
  "upload.stop": "Detener",
  "upload.done": "{name} está subido.",
  "upload.fine-tune": "ejemplos para ajustar un modelo",
};
