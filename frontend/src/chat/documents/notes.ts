/** The numbered footnotes of an answer: which passage each mark names, and whether it supports the sentence. */

export interface Note {
  number: number;
  libraryId: string;
  fileId: string;
  filename: string;
  passageId: string;
  page: number | null;
  quote: string;
  support: "supported" | "unsupported" | "unchecked";
}

/** The footnotes among the annotations of a text. */
export function notesOf(annotations: readonly Record<string, unknown>[] | null | undefined): Note[] {
  return (annotations ?? []).flatMap((one) => {
    if (one.type !== "file_citation" || typeof one.number !== "number") return [];
    const text = (name: string) => (typeof one[name] === "string" ? one[name] : "");
    const support = text("support");
    return [
      {
        number: one.number,
        libraryId: text("vector_store_id"),
        fileId: text("file_id"),
        filename: text("filename"),
        passageId: text("passage_id"),
        page: typeof one.page === "number" ? one.page : null,
        quote: text("quote"),
        support: support === "supported" || support === "unsupported" ? support : "unchecked",
      } satisfies Note,
    ];
  });
}
