import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "doc.attach": "Adjuntar documentos",
  "doc.pick": "Elegir archivos…",
  "doc.library": "Adjuntar una biblioteca…",
  "doc.list": "Documentos de esta conversación",
  "doc.project": "Documentos del proyecto «{name}»",
  "doc.sending": "Enviando…",
  "doc.sendingShare": "Enviando, {percent}",
  "doc.reading": "Leyendo, {percent}",
  "doc.ready": "Leído",
  "doc.attached": "Biblioteca",
  "doc.remove": "Quitar «{name}»",
  "doc.wait": "Espera a que se lean los documentos",
  "doc.unread": "Sin enviar: no se pudo leer «{name}»",
  "doc.queue": "Mensajes que esperan los documentos",
  "doc.takeBack": "Recuperar",
  "doc.drop": "Soltar aquí los archivos: las respuestas los usarán",
  "doc.pasted": "Texto pegado",
  "doc.pasted.note":
    "El texto pegado es largo, así que ahora es un documento: las respuestas usan los pasajes que convienen a la pregunta.",
  "doc.pasted.back": "Ponerlo en la pregunta",
  "doc.searching": "Buscando en los documentos…",
  "doc.failed.unsupported":
    "El contenido del archivo no se puede leer, diga lo que diga su nombre. Hay que descomprimir los archivos ZIP; lo demás conviene guardarlo como PDF, DOCX o texto.",
  "doc.failed.encrypted": "El archivo está protegido con contraseña. Hay que quitarla y adjuntarlo de nuevo.",
  "doc.failed.no_text": "No contiene texto. Las páginas escaneadas requieren OCR en el servidor.",
  "doc.failed.damaged":
    "El archivo está dañado. Conviene abrirlo en su programa, guardarlo de nuevo y volver a adjuntarlo.",
  "doc.failed.bomb":
    "El archivo está hecho como los que saturan un servidor y no se ha leído. Conviene guardarlo de nuevo en su programa.",
  "doc.failed.too_deep":
    "Las partes del archivo están demasiado anidadas. Conviene guardar el texto como documento nuevo.",
  "doc.failed.too_large":
    "El archivo, o lo que resulta al descomprimirlo, es demasiado grande. Conviene dividirlo y, en una hoja de cálculo, borrar las celdas muy alejadas.",
  "doc.failed.timed_out": "La lectura del archivo ha tardado demasiado. Conviene dividirlo en varios.",
  "doc.failed.lost": "No se envió por completo. Hay que adjuntarlo de nuevo.",
  "doc.failed.server_error": "El servidor no ha podido leerlo. Conviene intentarlo de nuevo.",
  "doc.note.truncated": "Leído en parte: es más largo de lo que se lee de un documento",
  "doc.note.pages_without_text": "Leído, salvo páginas que son imágenes o están dañadas",
  "doc.note.ocr_used": "Leído a partir de imágenes (OCR): conviene comprobar nombres y cifras",
  "doc.note.encoding_guessed": "Leído; puede haber errores en las letras con tilde",
  "doc.libraries": "Adjuntar una biblioteca",
  "doc.libraries.none":
    "Todavía no hay ninguna biblioteca. Los documentos de un proyecto forman una; también se crean con la API.",
  "doc.libraries.files": "{count, plural, one {# documento} many {# documentos} other {# documentos}}",
  "doc.loading": "Cargando…",
  "note.open": "Fuente {number}: {name}",
  "note.unsupported": "Fuente {number}: {name}. No respalda esta frase.",
  "note.title": "Fuente {number}",
  "note.page": "Página {page}",
  "note.warning": "El pasaje no respalda la frase que lo cita. Conviene comprobarla antes de confiar en ella.",
  "note.gone": "El documento ya no está. Este es el pasaje tal como se citó.",
  "note.loading": "Abriendo el pasaje…",
};
