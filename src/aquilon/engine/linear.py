"""Linear layers whose rows don't depend on how many there are."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import linear, pad

_ROWS = 8


class RowInvariantLinear(nn.Module):
    """``x (T, in)`` to ``(T, out)``; a row's result is the same, bit for bit, whatever T is.

    The libraries under torch compute few rows differently: in fp32 1 to 3 rows, and
    remainders of 4 below 12; in bf16 one row of some shapes. Where we measured,
    whole groups of eight rows were always computed the same way.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[0]
        missing = -rows % _ROWS
        if missing:
            return linear(pad(x, (0, 0, 0, missing)), self.weight, self.bias)[:rows]
        return linear(x, self.weight, self.bias)


def make_row_invariant(module: nn.Module) -> None:
    """Replace every ``nn.Linear`` in a module, sharing its weights."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, RowInvariantLinear(child.weight, child.bias))
        else:
            make_row_invariant(child)
