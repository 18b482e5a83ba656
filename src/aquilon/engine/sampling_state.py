"""What a sequence's own history and wishes do to its next logits."""

from __future__ import annotations

import torch
from torch import Tensor

from aquilon.engine.sequence import Sequence


class SamplingState:
    """Penalties, logit bias and the tokens not allowed yet, for one sequence."""

    @staticmethod
    def needed(sequence: Sequence) -> bool:
        """Whether this sequence's logits are ever other than the model's."""
        wishes = sequence.sampling
        return bool(
            wishes.presence_penalty
            or wishes.frequency_penalty
            or wishes.repetition_penalty != 1.0
            or wishes.logit_bias
            or (wishes.min_tokens and sequence.end_ids)
        )

    def __init__(self, sequence: Sequence, vocab_size: int, device: torch.device) -> None:
        wishes = sequence.sampling
        self._wishes = wishes
        self._counts: Tensor | None = None
        self._seen: Tensor | None = None
        if wishes.presence_penalty or wishes.frequency_penalty:
            self._counts = torch.zeros(vocab_size, device=device)
        if wishes.repetition_penalty != 1.0:
            self._seen = torch.zeros(vocab_size, dtype=torch.bool, device=device)
            self._seen[sequence.token_ids[: sequence.num_prompt]] = True
        self._bias_ids = torch.tensor(list(wishes.logit_bias), dtype=torch.int64, device=device)
        self._bias = torch.tensor(list(wishes.logit_bias.values()), dtype=torch.float32, device=device)
        self._end_ids = torch.tensor(sorted(sequence.end_ids), dtype=torch.int64, device=device)
        self._recorded = sequence.num_prompt

    def adjust(self, logits: Tensor, sequence: Sequence) -> None:
        """Change one row ``(vocab_size,)`` in place.

        Repetition penalty (arXiv:1909.05858) over prompt and output, presence and
        frequency penalties over the output as OpenAI defines them, then the bias.
        """
        wishes = self._wishes
        for token_id in sequence.token_ids[self._recorded :]:
            if self._counts is not None:
                self._counts[token_id] += 1
            if self._seen is not None:
                self._seen[token_id] = True
        self._recorded = len(sequence.token_ids)
        if self._seen is not None:
            penalty = wishes.repetition_penalty
            logits.copy_(torch.where(self._seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits))
        if self._counts is not None:
            logits -= self._counts * wishes.frequency_penalty + (self._counts > 0) * wishes.presence_penalty
        if wishes.logit_bias:
            logits[self._bias_ids] += self._bias
        if sequence.num_generated < wishes.min_tokens:
            logits[self._end_ids] = -torch.inf
