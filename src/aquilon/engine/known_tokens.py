"""The tokens that a model has, where its output matrix has rows for more.

Matrices are padded to round sizes, and vocabularies have holes: tokens of such
rows are never drawn and never reported.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class KnownTokens:
    """The first ``size`` rows without the ``unused`` ones."""

    def __init__(self, size: int, unused: Sequence[int] = ()) -> None:
        self.size = size
        self._unused = torch.tensor(unused, dtype=torch.int64)

    def of(self, logits: Tensor) -> Tensor:
        """``logits (N, rows)`` as ``(N, size)``, minus infinity for unused tokens."""
        logits = logits[:, : self.size]
        if len(self._unused):
            self._unused = self._unused.to(logits.device)
            logits = logits.index_fill(1, self._unused, -torch.inf)
        return logits
