"""Penalties, biases and forbidden end tokens: how a sequence changes its next logits."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from aquilon.engine.sequence import Sequence


class SamplingState:
    """One sequence's penalties, logit bias and, before ``min_tokens``, forbidden end tokens; not its grammar."""

    @staticmethod
    def needed(sequence: Sequence) -> bool:
        """Whether this sequence ever changes the model's logits."""
        sampling = sequence.sampling
        return bool(
            sampling.presence_penalty
            or sampling.frequency_penalty
            or sampling.repetition_penalty != 1.0
            or sampling.logit_bias
            or (sampling.min_tokens and sequence.end_ids and sequence.constraint is None)
        )

    def __init__(self, sequence: Sequence, device: torch.device) -> None:
        sampling = sequence.sampling
        self._sampling = sampling
        self._device = device
        self._drawn = Counter[int]()
        self._seen = dict.fromkeys(sequence.token_ids[: sequence.num_prompt])
        self._recorded = sequence.num_prompt
        self._bias_ids = torch.tensor(list(sampling.logit_bias), dtype=torch.int64, device=device)
        self._bias = torch.tensor(list(sampling.logit_bias.values()), dtype=torch.float32, device=device)
        self._end_ids = torch.tensor(sorted(sequence.end_ids), dtype=torch.int64, device=device)

    def adjust(self, logits: Tensor, sequence: Sequence) -> None:
        """Change one row ``(vocab_size,)`` in place.

        Repetition penalty (arXiv:1909.05858) over prompt and output, presence and
        frequency penalties over the output as OpenAI defines them, then the bias.
        """
        sampling = self._sampling
        new = sequence.token_ids[self._recorded :]
        self._drawn.update(new)
        self._seen.update(dict.fromkeys(new))
        self._recorded = len(sequence.token_ids)
        if sampling.repetition_penalty != 1.0:
            ids = torch.tensor(list(self._seen), device=self._device)
            values = logits[ids]
            penalty = sampling.repetition_penalty
            most = torch.finfo(values.dtype).max
            logits[ids] = torch.where(values > 0, values / penalty, values * penalty).clamp(max=most)
        if self._drawn and (sampling.presence_penalty or sampling.frequency_penalty):
            ids = torch.tensor(list(self._drawn), device=self._device)
            counts = torch.tensor(list(self._drawn.values()), dtype=torch.float32, device=self._device)
            logits[ids] -= counts * sampling.frequency_penalty + sampling.presence_penalty
        if sampling.logit_bias:
            logits[self._bias_ids] += self._bias
        if sequence.num_generated < sampling.min_tokens and sequence.constraint is None:
            logits[self._end_ids] = -torch.inf
