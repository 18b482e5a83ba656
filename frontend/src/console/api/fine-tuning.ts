/** Fine-tuning jobs, and the models that they made. */
import { allPages } from "../../api/pages";
import { get, part, post, remove } from "./client";
import { call } from "../../api/server";

const ROOT = "/v1/fine_tuning/jobs";
const MOST_PAGES = 6;
const PAGE = 1000;

export type Method = "supervised" | "dpo";

export interface FineTuningJob {
  id: string;
  model: string;
  created_at: number;
  finished_at: number | null;
  estimated_finish: number | null;
  fine_tuned_model: string | null;
  result_files: string[];
  suffix: string | null;
  method: { type: Method };
  error: { code: string; message: string } | null;
  stage: string;
  step: number;
  steps: number | null;
  examples: number | null;
  estimated_tokens: number | null;
  estimated_cost_microcents: number | null;
  cost_microcents: number | null;
  trained_tokens: number | null;
}

export interface JobEvent {
  id: string;
  created_at: number;
  level: "info" | "warn" | "error";
  message: string;
  type: "message" | "metrics";
  data: Record<string, number | string | null> | null;
}

export interface NewJob {
  model: string;
  training_file: string;
  validation_file?: string | undefined;
  suffix?: string | undefined;
  method: { type: Method } & Partial<Record<Method, { hyperparameters: Record<string, number> }>>;
}

/** What a job would take and cost. */
export interface JobEstimate {
  /** In units of the currency. */
  cost: number;
  cost_currency: string;
  expected_duration_seconds: number;
  train_tokens: number;
  training_steps: number;
}

/** A model that answers here. */
export interface Model {
  id: string;
  capabilities: { fine_tuning: boolean };
}

interface EventPage {
  data: JobEvent[];
  has_more: boolean;
  last_id: string | null;
}

const ENDED = new Set(["succeeded", "failed", "cancelled"]);
export const isOver = (job: FineTuningJob) => ENDED.has(job.stage);

export const fineTuning = {
  list: () => allPages<FineTuningJob>(ROOT),
  create: (job: NewJob) => post<FineTuningJob>(ROOT, job),
  /** Checks the files too. Nothing is created. */
  estimate: (job: NewJob) => post<JobEstimate>(`${ROOT}?dry_run=true`, job),
  act: (id: string, action: "pause" | "resume" | "cancel" | "start") =>
    post<FineTuningJob>(`${ROOT}/${part(id)}/${action}`),
  remove: (id: string) => remove(`${ROOT}/${part(id)}`),
  removeModel: (name: string) => remove(`/v1/models/${part(name)}`),
  models: async () => (await get<{ data: Model[] }>("/v1/models")).data,
};

/** The events that came since the one with this id, the newest first. */
export async function eventsSince(id: string, known: string | null): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  let after: string | null = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const list: EventPage = await get<EventPage>(`${ROOT}/${part(id)}/events`, {
      limit: known === null ? PAGE : 50,
      after,
    });
    const seen = list.data.findIndex((event) => event.id === known);
    all.push(...(seen < 0 ? list.data : list.data.slice(0, seen)));
    if (seen >= 0 || !list.has_more) break;
    after = list.last_id;
  }
  return all;
}

/** Sends a file of examples, one JSON object a line; its id. */
export async function uploadExamples(file: File): Promise<string> {
  const form = new FormData();
  form.set("purpose", "fine-tune");
  form.set("file", file);
  const response = await call("/v1/files", { method: "POST", body: form });
  return ((await response.json()) as { id: string }).id;
}

/** The names of the models that learnt from a file. */
export const learntFrom = async (fileId: string) =>
  (await get<{ data: string[] }>(`/v1/files/${part(fileId)}/fine_tuned_models`)).data;
