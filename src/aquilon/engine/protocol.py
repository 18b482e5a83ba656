"""The messages between the API process and an engine process.

Every message is one msgspec struct, encoded as MessagePack behind a four-byte
big-endian length. This file imports no torch: the API process uses it without
ever loading a model.

Times are seconds, sizes are bytes, positions and budgets are tokens.
"""

from __future__ import annotations

from typing import Literal

import msgspec

MAX_FRAME_BYTES = 64 * 2**20
"""The connection to a peer that announces a longer frame is closed."""

MAX_TOP_LOGPROBS = 20
MAX_NAMED_LOGPROBS = 256
MAX_BAD_SEQUENCES = 2048

FinishReason = Literal["stop", "complete", "length", "cancelled"]
"""``stop``: an end or stop token; ``complete``: the grammar allows nothing more; ``length``: max_tokens or the end of
the context."""


class SamplingParameters(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the next token is drawn; defaults draw from the model's own distribution."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps the whole vocabulary."""
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: dict[int, float] = {}
    seed: int | None = None
    """Same seed, same tokens, whatever else runs in the batch."""
    max_tokens: int | None = None
    """None: to the end of the context. 0 only computes the prompt (for its log probabilities)."""
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    allowed_token_ids: tuple[int, ...] = ()
    """The only tokens that may be drawn, unless the grammar allows none of them; empty allows all."""
    bad_sequences: tuple[tuple[int, ...], ...] = ()
    """Token sequences that the output may not contain, unless every other token is forbidden too."""
    logprobs: int | None = None
    """How many alternatives to report beside each token drawn; None reports nothing."""
    logprob_token_ids: tuple[int, ...] = ()
    """With ``logprobs``: the tokens to report instead of the most likely ones."""
    prompt_logprobs: int | None = None
    """How many alternatives to report beside each prompt token after the first; None reports nothing."""


class SequenceRequest(msgspec.Struct, frozen=True, tag="sequence", kw_only=True):
    """One prompt to continue ``n`` times; the prompt is computed once."""

    id: str
    model: str
    prompt_ids: list[int]
    sampling: SamplingParameters
    n: int = 1
    cache_salt: str = ""
    """The owner's organization: prefixes are never shared across salts."""
    grammar: str | None = None
    """The grammar that every continuation must match, as llguidance reads it (JSON); None is free text."""
    grammar_prefix: str = ""
    """The end of the prompt where the grammar already applies: continuations go on from there."""
    priority: int = 0
    """Requests of a higher priority are admitted first. Batch jobs are below 0."""


class CancelSequence(msgspec.Struct, frozen=True, tag="cancel"):
    id: str
    index: int | None = None
    """One continuation of ``n``, or None for all."""


class LoadModel(msgspec.Struct, frozen=True, tag="load"):
    """Load a checkpoint under a name; answered by ``ModelState`` messages."""

    name: str
    path: str


class UnloadModel(msgspec.Struct, frozen=True, tag="unload"):
    name: str


ToEngine = SequenceRequest | CancelSequence | LoadModel | UnloadModel


class TokenLogprobs(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Natural log probabilities under the model's own distribution (before temperature and filters)."""

    token_id: int
    logprob: float
    rank: int
    """1 for the most likely token."""
    top: list[tuple[int, float]]
    """The most likely tokens in order, as many as the request asks for, or the tokens that it names."""


class SequenceOutput(msgspec.Struct, array_like=True, kw_only=True):
    """What one step added to one continuation of one request."""

    id: str
    index: int
    token_ids: list[int]
    """With ``stop``, the last is the end or stop token, which is billed and not shown."""
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0
    """Prompt tokens taken from the prefix cache; known with the first output."""
    logprobs: list[TokenLogprobs] | None = None
    prompt_logprobs: list[TokenLogprobs | None] | None = None
    """One entry a prompt token, None for the first; sent with the first output."""


class StepFrame(msgspec.Struct, frozen=True, tag="step"):
    """The outputs of one engine step."""

    outputs: list[SequenceOutput]


class SequenceFailed(msgspec.Struct, frozen=True, tag="failed"):
    """The request ended without an answer; ``message`` is for the person who sent it."""

    id: str
    kind: Literal["invalid", "unloaded", "internal"]
    """``unloaded``: the model left memory before the request arrived; load it and send the request again."""
    message: str


class ModelState(msgspec.Struct, frozen=True, tag="model", kw_only=True):
    name: str
    state: Literal["loading", "ready", "failed", "unloaded"]
    progress: float = 0.0
    """Share of the weights read, 0 to 1."""
    detail: str = ""
    max_context: int = 0
    memory: int = 0
    """Bytes held: weights and KV cache."""


class EngineStatistics(msgspec.Struct, frozen=True, tag="statistics", kw_only=True):
    """Counters since the process started, and current gauges; sent once a second, also as a heartbeat."""

    steps: int = 0
    running: int = 0
    waiting: int = 0
    preemptions: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    prefix_cache_queries: int = 0
    """Prompt tokens looked up in the prefix cache."""
    prefix_cache_hits: int = 0
    """Prompt tokens that the prefix cache held."""
    kv_cache_usage: float = 0.0
    """Share of KV blocks in use by running sequences, 0 to 1."""
    busy_since_last_step: float = 0.0
    """Seconds since the last step ended while work is queued; 0 when idle. 30 or more is a hang."""


FromEngine = StepFrame | SequenceFailed | ModelState | EngineStatistics
