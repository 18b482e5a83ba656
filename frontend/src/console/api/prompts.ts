/** `/v1/prompts`: requests that are kept under a name. */
import { get, getAll, part, post, remove, type Show } from "./client";
import type { PromptBody, PromptEntry } from "../../api/schema";
import type { CallBody } from "../playground/snippets";

export type { PromptEntry };

export type SavedPrompt = Omit<PromptBody, "settings"> & { settings: CallBody };

export interface PromptFields {
  name: string;
  messages: SavedPrompt["messages"];
  settings: CallBody;
  visibility?: "user" | "workspace";
}

const ROOT = "/v1/prompts";

export const prompts = {
  list: (show?: Show<PromptEntry>) => getAll<PromptEntry>(ROOT, show),
  get: (id: string) => get<SavedPrompt>(`${ROOT}/${part(id)}`),
  create: (fields: PromptFields) => post<SavedPrompt>(ROOT, fields),
  change: (id: string, fields: PromptFields) => post<SavedPrompt>(`${ROOT}/${part(id)}`, fields),
  remove: (id: string) => remove(`${ROOT}/${part(id)}`),
};
