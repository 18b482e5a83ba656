/** Files: what batch jobs read and write, and what programs keep here. Sizes are bytes. */
import { call } from "../../api/server";
import { getAll, part, remove } from "./client";
import type { FileBody as StoredFile } from "../../api/schema";

export type { StoredFile };

export const files = {
  list: () => getAll<StoredFile>("/v1/files"),
  remove: (id: string) => remove(`/v1/files/${part(id)}`),
};

/** Sends a file of requests, one JSON object a line; gives its id. */
export async function upload(file: File): Promise<string> {
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", file);
  const response = await call("/v1/files", { method: "POST", body: form });
  return ((await response.json()) as { id: string }).id;
}

export const contentAddress = (fileId: string) => `/v1/files/${part(fileId)}/content`;
