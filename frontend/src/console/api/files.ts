/** Files: what batch jobs read and write, and what programs keep here. Sizes are bytes. */
import { Problem, problemOf } from "../../api/problem";
import { call } from "../../api/server";
import { allPages, type Show } from "../../api/pages";
import { part, remove } from "./client";
import type { FileBody as StoredFile } from "../../api/schema";

export type { StoredFile };

export const files = {
  list: (show?: Show<StoredFile>) => allPages<StoredFile>("/v1/files", show),
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

export const UPLOAD_PURPOSES = ["batch", "fine-tune", "user_data"] as const;
export type UploadPurpose = (typeof UPLOAD_PURPOSES)[number];

export interface UploadOptions {
  purpose: UploadPurpose;
  visibility: "user" | "workspace";
  signal: AbortSignal;
  /** The share that is sent, 0 to 1: `fetch` doesn't say. */
  onProgress: (share: number) => void;
}

/** Sends a file; false if it was stopped. Fails with a Problem. */
export function uploadFile(file: File, options: UploadOptions): Promise<boolean> {
  const form = new FormData();
  form.set("purpose", options.purpose);
  form.set("visibility", options.visibility);
  form.set("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/files");
    request.upload.onprogress = (event) => event.lengthComputable && options.onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Problem("unreachable", "the upload broke off"));
    request.onabort = () => resolve(false);
    request.onload = () => {
      if (request.status === 200) resolve(true);
      else void problemOf(new Response(request.responseText, { status: request.status })).then(reject);
    };
    options.signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
