import type { texts as english } from "./en";

export const texts: Record<keyof typeof english, string> = {
  "room.full": "Aquí caben como máximo {most} caracteres: se omite el final de un texto más largo.",
};
