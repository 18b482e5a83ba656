/** Batch jobs. */
import { allPages, type Show } from "../../api/pages";
import { getAgain, part, post } from "./client";
import type { OpenAIBatchBody as Batch } from "../../api/schema";

export type { Batch };

export const BATCH_ENDPOINTS = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/fim/completions",
  "/v1/responses",
] as const;

const ENDED = new Set(["completed", "failed", "expired", "cancelled"]);

export const isOver = (batch: Batch) => ENDED.has(batch.status);

export const batches = {
  list: (show?: Show<Batch>) => allPages<Batch>("/v1/batches", show),
  /** The list anew, in which nothing changes of jobs that are over. */
  again: (known: readonly Batch[]) => getAgain("/v1/batches", known, (batch) => !isOver(batch)),
  create: (inputFile: string, endpoint: string, name: string) =>
    post<Batch>("/v1/batches", {
      input_file_id: inputFile,
      endpoint,
      completion_window: "24h",
      metadata: name === "" ? null : { name },
    }),
  cancel: (id: string) => post<Batch>(`/v1/batches/${part(id)}/cancel`),
};
