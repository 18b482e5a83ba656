"""Compute a step: run the transformer over its rows, then draw a token for each sequence that is due one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aquilon.engine.attention import PagedAttention
from aquilon.engine.batch import make_batch
from aquilon.engine.kernels.attention import NativeAttention, unsupported
from aquilon.engine.known_tokens import KnownTokens
from aquilon.engine.kv_cache import KVCache
from aquilon.engine.logprobs import token_logprobs
from aquilon.engine.protocol import TokenLogprobs
from aquilon.engine.sampler import sample
from aquilon.engine.scheduler import Step
from aquilon.engine.sequence import Sequence
from aquilon.models.transformer import Transformer

_LOGITS_AT_ONCE = 64
"""Rows of logits computed together for a prompt's log probabilities: each is as wide as the vocabulary."""


@dataclass(frozen=True)
class Computed:
    """What a step computed."""

    token_ids: list[int]
    """The tokens drawn, in the order of ``step.draws``."""
    logprobs: list[TokenLogprobs | None]
    """The log probabilities of those tokens, where the request asks for them."""
    prompt_logprobs: list[tuple[Sequence, list[TokenLogprobs]]]
    """For each sequence that wants them: the log probabilities of the prompt tokens after the step's tokens."""


class Runner:
    """One model's transformer and KV cache on one device."""

    def __init__(
        self,
        transformer: Transformer,
        cache: KVCache,
        *,
        device: torch.device,
        torch_threads: int = 1,
        tokens: KnownTokens | None = None,
    ) -> None:
        """Without ``tokens`` every row of the output matrix is one."""
        self._tokens = tokens or KnownTokens(transformer.architecture.vocab_size)
        self._transformer = transformer
        self._cache = cache
        self._device = device
        self._torch_threads = torch_threads
        self._attention: type[PagedAttention] | type[NativeAttention] = PagedAttention
        if device.type == "cpu" and not unsupported(
            transformer.architecture, block_size=cache.block_size, dtype=cache.dtype
        ):
            self._attention = NativeAttention

    @torch.inference_mode()
    def run(self, step: Step) -> Computed:
        """Compute the step's keys and values into the cache, and draw its tokens."""
        if torch.get_num_threads() != self._torch_threads:
            torch.set_num_threads(self._torch_threads)
        batch = make_batch(step, self._device)
        attention = self._attention(self._cache, batch, self._transformer.architecture)
        hidden = self._transformer(batch.token_ids, batch.positions, attention)  # (T, hidden_size)
        prompt_logprobs = self._prompt_logprobs(step, hidden)
        self._cache.copy(step.copies)
        if not step.draws:
            return Computed([], [], prompt_logprobs)
        rows = sorted({row for _, row in step.draws})
        logits = self._tokens.of(self._transformer.logits(hidden[rows]).float())  # (rows, vocab_size)
        if len(rows) < len(step.draws):
            place = {row: number for number, row in enumerate(rows)}
            logits = logits[[place[row] for _, row in step.draws]]
        token_ids, logprobs = sample(logits, [sequence for sequence, _ in step.draws])
        return Computed(token_ids, logprobs, prompt_logprobs)

    def _prompt_logprobs(self, step: Step, hidden: Tensor) -> list[tuple[Sequence, list[TokenLogprobs]]]:
        entries, row = [], 0
        for sequence, num_tokens in step.chunks:
            if sequence.wants_prompt_logprobs:
                entries.append((sequence, self._next_prompt_logprobs(sequence, hidden[row : row + num_tokens])))
            row += num_tokens
        return entries

    def _next_prompt_logprobs(self, sequence: Sequence, hidden: Tensor) -> list[TokenLogprobs]:
        """From the hidden states ``(num_tokens, hidden_size)`` of the sequence's next tokens: each predicts the
        token after it."""
        entries: list[TokenLogprobs] = []
        next_ids = sequence.token_ids[sequence.num_computed + 1 : sequence.num_computed + 1 + len(hidden)]
        next_ids = next_ids[: sequence.num_prompt - 1 - sequence.num_computed]
        for start in range(0, len(next_ids), _LOGITS_AT_ONCE):
            ids = next_ids[start : start + _LOGITS_AT_ONCE]
            logits = self._tokens.of(self._transformer.logits(hidden[start : start + len(ids)]))
            counts = [sequence.sampling.prompt_logprobs or 0] * len(ids)
            entries += token_logprobs(logits, ids, counts)
        return entries
