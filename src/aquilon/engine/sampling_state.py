"""Penalties, biases and forbidden tokens: how a sequence changes its next logits."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from aquilon.engine.sequence import Sequence


class SamplingState:
    """One sequence's penalties, logit bias and forbidden tokens, end tokens before ``min_tokens`` among them; not its
    grammar."""

    @staticmethod
    def needed(sequence: Sequence) -> bool:
        """Whether this sequence ever changes the model's logits."""
        sampling = sequence.sampling
        return bool(
            sampling.presence_penalty
            or sampling.frequency_penalty
            or sampling.repetition_penalty != 1.0
            or sampling.logit_bias
            or sampling.allowed_token_ids
            or sampling.bad_sequences
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
        self._allowed_ids = torch.tensor(sorted(set(sampling.allowed_token_ids)), dtype=torch.int64, device=device)
        self._bad: dict[tuple[int, ...], set[int]] = {}
        """The last tokens of bad sequences, by the tokens before them."""
        for *begin, last in sampling.bad_sequences:
            self._bad.setdefault(tuple(begin), set()).add(last)
        self._bad_lengths = sorted({len(begin) for begin in self._bad})

    def adjust(self, logits: Tensor, sequence: Sequence) -> None:
        """Change one row ``(vocab_size,)`` in place.

        Repetition penalty (arXiv:1909.05858) over prompt and output, presence and
        frequency penalties over the output as OpenAI defines them, then the bias. Then
        forbidden tokens get minus infinity, where others remain.
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
        if sampling.allowed_token_ids:
            allowed = logits[self._allowed_ids]
            if not torch.isneginf(allowed).all():  # otherwise the grammar needs others
                logits.fill_(-torch.inf)
                logits[self._allowed_ids] = allowed
        if forbidden := self._forbidden(sequence):
            ids = torch.tensor(sorted(forbidden), dtype=torch.int64, device=self._device)
            kept = logits[ids]
            logits[ids] = -torch.inf
            if torch.isneginf(logits).all():
                logits[ids] = kept

    def _forbidden(self, sequence: Sequence) -> set[int]:
        """The last tokens of bad sequences that the output has begun, and end tokens while it is too short."""
        forbidden = set[int]()
        for length in self._bad_lengths:
            if length <= sequence.num_generated:
                end = tuple(sequence.token_ids[len(sequence.token_ids) - length :])
                forbidden |= self._bad.get(end, set())
        if sequence.num_generated < self._sampling.min_tokens and sequence.constraint is None:
            forbidden |= sequence.end_ids
        return forbidden
