/** Libraries of documents: made, filled, read and searched by the server. */
import { allPages } from "./pages";
import type { PassageBody, VectorStoreBody, VectorStoreFileBody } from "./schema";
import { call, postJson } from "./server";
import { upload, type Sending } from "./upload";

export type { PassageBody, VectorStoreBody, VectorStoreFileBody };

/** The name of the libraries that conversations make for their own documents: nobody is asked to choose one. */
export const OF_A_CONVERSATION = "conversation";

export interface LibraryChange {
  name?: string;
  metadata?: Record<string, string>;
  visibility?: "user" | "workspace";
  /** null for never. */
  expires_after?: { anchor: "last_active_at"; days: number } | null;
}

export async function createLibrary(fields: LibraryChange): Promise<VectorStoreBody> {
  return (await (await postJson("/v1/vector_stores", fields)).json()) as VectorStoreBody;
}

export async function changeLibrary(id: string, fields: LibraryChange): Promise<VectorStoreBody> {
  return (await (await postJson(path(id), fields)).json()) as VectorStoreBody;
}

export async function readLibrary(id: string): Promise<VectorStoreBody> {
  return (await (await call(path(id))).json()) as VectorStoreBody;
}

/** All of them, the latest first. Each conversation that has documents has one too. */
export async function libraries(): Promise<readonly VectorStoreBody[]> {
  return allPages<VectorStoreBody>("/v1/vector_stores");
}

/** Uploads a file into a library, which then reads it; returns the file's id. */
export async function uploadInto(libraryId: string, file: File, sending: Sending): Promise<string> {
  const body = new FormData();
  body.append("file", file, file.name);
  const address = `/v1/libraries/${encodeURIComponent(libraryId)}/documents`;
  return ((await (await upload(address, body, sending)).json()) as { id: string }).id;
}

/** All files of a library, the latest first, with how far they are read. */
export async function filesOf(libraryId: string): Promise<readonly VectorStoreFileBody[]> {
  return allPages<VectorStoreFileBody>(`${path(libraryId)}/files`);
}

export async function removeFile(libraryId: string, fileId: string): Promise<void> {
  const address = `/v1/libraries/${encodeURIComponent(libraryId)}/documents/${encodeURIComponent(fileId)}`;
  await call(address, { method: "DELETE" });
}

export async function readPassage(libraryId: string, fileId: string, passageId: string): Promise<PassageBody> {
  const address = `${path(libraryId)}/files/${encodeURIComponent(fileId)}/passages/${encodeURIComponent(passageId)}`;
  return (await (await call(address)).json()) as PassageBody;
}

function path(id: string): string {
  return `/v1/vector_stores/${encodeURIComponent(id)}`;
}
