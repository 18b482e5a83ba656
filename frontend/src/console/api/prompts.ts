/** `/v1/prompts`: requests that are kept under a name. */
import { allPages, type Show } from "../../api/pages";
import { get, part, post, remove } from "./client";
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
  list: (show?: Show<PromptEntry>) => allPages<PromptEntry>(ROOT, show),
  get: (id: string) => get<SavedPrompt>(`${ROOT}/${part(id)}`),
  create: (fields: PromptFields) => post<SavedPrompt>(ROOT, fields),
  change: (id: string, fields: PromptFields) => post<SavedPrompt>(`${ROOT}/${part(id)}`, fields),
  remove: (id: string) => remove(`${ROOT}/${part(id)}`),
};
