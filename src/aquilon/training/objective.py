"""What a run minimises: the loss of a batch, and the rows that batches are made of."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from aquilon.models.transformer import Transformer
from aquilon.training.attention import document_attention
from aquilon.training.batch import Batch
from aquilon.training.loss import cross_entropy_sum


class Objective(Protocol):
    """Computes a batch's loss from the model's hidden states."""

    def __call__(self, transformer: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum to minimise, ``()``, and sums of what is to be shown: ``loss`` is always there."""
        ...


class NextToken:
    """Cross-entropy of the token that follows, for pretraining and supervised fine-tuning."""

    def __init__(self, z_loss: float = 0.0) -> None:
        self._z_loss = z_loss

    def __call__(self, transformer: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        total, plain = cross_entropy_sum(hidden, transformer.head.weight, batch.targets, self._z_loss)
        return total, {"loss": plain}


class LossModel(nn.Module):
    """A transformer and its objective in one module, so that all weights are used inside one ``forward``."""

    def __init__(self, transformer: Transformer, objective: Objective, dtype: torch.dtype) -> None:
        """``dtype``: what products are computed in."""
        super().__init__()
        self.transformer = transformer
        self._objective, self._dtype = objective, dtype

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        attention = document_attention(
            batch.lengths, self.transformer.architecture, batch.token_ids.device, self._dtype
        )
        hidden = self.transformer(batch.token_ids, batch.positions, attention)  # (T, hidden)
        return self._objective(self.transformer, hidden, batch)
