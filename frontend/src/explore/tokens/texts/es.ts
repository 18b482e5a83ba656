import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  title: "Tokens",
  lead: "Un modelo no lee letras ni palabras. Lee tokens: trozos de texto que conoce por un número. Basta escribir algo para ver cuáles.",
  sample: "El aquilón es el viento del norte: frío, claro y fuerte. 🌬️",
  text: "Texto",
  model: "Modelo",
  count: "Tokens",
  perWord: "Tokens por palabra",
  price: "Precio de lectura",
  "price.none": "sin precio fijado",
  noModel: "Ningún modelo de este servidor puede dividir un texto en tokens: todos responden desde otro lugar.",
  "languages.title": "Lo mismo en cinco idiomas",
  "languages.lead": "Un vocabulario hecho sobre todo con textos en inglés divide los demás idiomas en más trozos.",
  "languages.sentence": "Frase",
  "languages.own": "Texto propio",
  "languages.tokens": "Tokens: {count}",
  "languages.why":
    "Más tokens significan un precio más alto, una respuesta más lenta y un contexto que se llena antes. Todas las frases se pueden cambiar.",
};
