/** Batch jobs. */
import { getAll, part, post } from "./client";
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
  list: () => getAll<Batch>("/v1/batches"),
  create: (inputFile: string, endpoint: string, name: string) =>
    post<Batch>("/v1/batches", {
      input_file_id: inputFile,
      endpoint,
      completion_window: "24h",
      metadata: name === "" ? null : { name },
    }),
  cancel: (id: string) => post<Batch>(`/v1/batches/${part(id)}/cancel`),
};
