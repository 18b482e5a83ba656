"""Low-rank adaptation (arXiv:2106.09685): frozen weights, and a small trained update of each.

The transformer computes queries, keys and values in one product, and so for the gate and
the upward projection; peft's adapters know them one by one. So each fused layer has an A
and a B for each of its projections: the As lie in one matrix, since all read the same input.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aquilon.models.transformer import MLP, Linear, SelfAttention, Transformer
from aquilon.training.protocol import Lora

PROJECTIONS: Mapping[str, tuple[str, ...]] = {
    "qkv": ("q_proj", "k_proj", "v_proj"),
    "output": ("o_proj",),
    "gate_up": ("gate_proj", "up_proj"),
    "down": ("down_proj",),
}
"""peft's names of the projections that each of the transformer's linear layers computes, in the order of its rows."""

_PARTS = ("attention", "mlp")


class LoraLinear(nn.Module):
    """A frozen linear layer, and updates of some of its projections."""

    def __init__(self, base: Linear, projections: Mapping[str, slice], *, rank: int, scale: float) -> None:
        """``projections``: the rows of the outputs that each updated projection has. Updates begin as zero."""
        super().__init__()
        self.base = base
        self.scale = scale
        self.rank = rank
        self.rows = tuple(projections.values())
        self.names = tuple(projections)
        device = base.weight.device
        self.lora_a = nn.Parameter(torch.empty(len(self.rows) * rank, base.in_features, device=device))
        self.lora_b = nn.ParameterList(torch.zeros(rows.stop - rows.start, rank, device=device) for rows in self.rows)

    def forward(self, x: Tensor) -> Tensor:
        updated: Tensor = _Updated.apply(  # type: ignore[no-untyped-call]
            x, self.base.weight, self.base.bias, self.scale, self.rows, self.lora_a, *self.lora_b
        )
        return updated


class _Updated(torch.autograd.Function):
    """``x Wᵀ + scale · x Aᵀ Bᵀ`` for each projection, without a copy of the output for each update.

    ``x (T, inputs)``, ``weight (outputs, inputs)``, ``a (projections · rank, inputs)``, ``b (outputs, rank)``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        scale: float,
        rows: tuple[slice, ...],
        a: Tensor,
        *b: Tensor,
    ) -> Tensor:
        output = torch.nn.functional.linear(x, weight, bias)  # (T, outputs)
        reduced = x @ a.T  # (T, projections · rank)
        for part, update, own in zip(rows, b, reduced.chunk(len(b), dim=1), strict=True):
            output[:, part].addmm_(own, update.T, alpha=scale)
        ctx.save_for_backward(x, weight, reduced, a, *b)
        ctx.scale, ctx.rows = scale, rows
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0]  # (T, outputs)
        x, weight, reduced, a, *b = ctx.saved_tensors
        scale, rows = ctx.scale, ctx.rows
        reduced_gradient = torch.empty_like(reduced)
        parts = reduced_gradient.chunk(len(b), dim=1)
        b_gradients = []
        for part, update, own, target in zip(rows, b, reduced.chunk(len(b), dim=1), parts, strict=True):
            of_projection = gradient[:, part]
            torch.mm(of_projection, update * scale, out=target)
            b_gradients.append((of_projection.T @ own) * scale)
        a_gradient = reduced_gradient.T @ x
        x_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = (gradient @ weight).addmm_(reduced_gradient, a)
        return x_gradient, None, None, None, None, a_gradient, *b_gradients


def add_lora(transformer: Transformer, lora: Lora, *, seed: int) -> None:
    """Freeze the transformer and put updates into it that are zero. A mixture's experts and router stay as they are."""
    transformer.requires_grad_(False)
    scale = (lora.alpha if lora.alpha is not None else 2 * lora.rank) / lora.rank
    for index, layer in enumerate(transformer.layers):
        for part in _PARTS:
            path, module = f"layers.{index}.{part}", layer.get_submodule(part)
            for name, sizes in _projections(module).items():
                bounds = [0, *torch.tensor(sizes).cumsum(0).tolist()]
                rows = {
                    projection: slice(start, stop)
                    for projection, start, stop in zip(PROJECTIONS[name], bounds, bounds[1:], strict=False)
                    if projection in lora.targets
                }
                if rows:
                    updated = LoraLinear(getattr(module, name), rows, rank=lora.rank, scale=scale)
                    _initialize(updated, f"{seed} {path}")
                    setattr(module, name, updated)


def _projections(module: nn.Module) -> dict[str, Sequence[int]]:
    """The outputs of each projection in a module's linear layers."""
    if isinstance(module, SelfAttention):
        sizes = [heads * module.head_dim for heads in module.heads]
        return {"qkv": sizes, "output": [module.output.out_features]}
    if isinstance(module, MLP):
        inner = module.down.in_features
        return {"gate_up": [inner, inner], "down": [module.down.out_features]}
    return {}


@torch.no_grad()
def _initialize(updated: LoraLinear, name: str) -> None:
    """A as peft's: uniform, with the variance 1 / (3 · inputs); B stays zero. The values follow from the names."""
    bound = 1 / math.sqrt(updated.lora_a.shape[1])
    for projection, a in zip(updated.names, torch.split(updated.lora_a, updated.rank), strict=True):
        number = int.from_bytes(hashlib.sha256(f"{name}.{projection}".encode()).digest()[:7])
        values = torch.rand(a.shape, generator=torch.Generator().manual_seed(number))
        a.copy_((2 * values - 1) * bound)


def lora_layers(transformer: Transformer) -> Iterator[tuple[int, str, LoraLinear]]:
    """Each updated layer with its number, and with the part of the layer that it is in: ``attention`` or ``mlp``."""
    for index, layer in enumerate(transformer.layers):
        for part in _PARTS:
            for module in layer.get_submodule(part).children():
                if isinstance(module, LoraLinear):
                    yield index, part, module
