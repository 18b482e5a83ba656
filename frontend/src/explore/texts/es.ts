import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "nav.explore": "Explorar",
  "nav.skip": "Ir al contenido",
  "nav.home": "Aquilon, todas las páginas de exploración",
  "nav.pages": "Páginas de exploración",
  "nav.tokens": "Tokens",
  "nav.inside": "Por dentro",
  "nav.compare": "Comparar",
  "nav.tour": "Visita",
  off: "La organización lo ha desactivado para esta cuenta: un administrador puede activarlo.",
  "home.title": "¿Qué es un modelo de lenguaje?",
  "home.lead": "Observar uno mientras trabaja: cada número de estas páginas viene del modelo de este servidor.",
  "home.tokens": "Ver cómo una frase se convierte en tokens y lo que cuesta en cinco idiomas.",
  "home.inside": "Ver lo seguro que está el modelo de cada token y qué habría dicho en su lugar.",
  "home.compare": "Dos respuestas, una al lado de la otra y sin nombres. ¿Cuál es mejor?",
  "home.tour": "Diez minutos, seis experimentos y un pequeño cuestionario. El mejor comienzo.",
};
