/** Whether a text has all words of a query somewhere, without capitals and accents. */
export function hasWords(text: string, query: string): boolean {
  const read = plain(text);
  return plain(query)
    .split(/\s+/)
    .every((word) => read.includes(word));
}

function plain(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}
