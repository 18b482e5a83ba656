"""The first weights of a new model."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from aquilon.models.transformer import Transformer


@torch.no_grad()
def initialize(transformer: Transformer, seed: int) -> None:
    """Random matrices with unit gain; layers begin as the identity, since their output matrices are 0.

    Each parameter has a generator of its own, named for it, so that its values depend
    neither on the order of the parameters nor on how many ranks hold them.
    """
    for name, parameter in transformer.named_parameters():
        _initialize(name, parameter, seed)


def _initialize(name: str, parameter: nn.Parameter, seed: int) -> None:
    module = name.rpartition(".")[0].rpartition(".")[2]
    if name.endswith(".bias"):
        parameter.zero_()
    elif parameter.ndim == 1:
        parameter.fill_(1.0)
    elif module in ("output", "down"):
        parameter.zero_()
    else:
        inputs = parameter.shape[1]
        deviation = 0.02 if module in ("embedding", "head") else inputs**-0.5
        parameter.copy_(_normal(parameter.shape, f"{seed} {name}") * deviation)


def _normal(shape: torch.Size, name: str) -> Tensor:
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]))
    return torch.randn(shape, generator=generator)
