"""Small transformers with random weights, spread widely enough that every token matters."""

from __future__ import annotations

import torch

from aquilon.models.architecture import Architecture, Rotary
from aquilon.models.transformer import Transformer


def random_architecture(**numbers: object) -> Architecture:
    values: dict[str, object] = {
        "family": "llama",
        "vocab_size": 160,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 16,
        "norm_eps": 1e-5,
        "max_context": 512,
        "rotary": Rotary(),
        "tied_embeddings": True,
        **numbers,
    }
    values.setdefault("sliding_windows", (None,) * int(str(values["num_layers"])))
    return Architecture(**values)  # type: ignore[arg-type]


def random_transformer(architecture: Architecture, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Transformer:
    transformer = Transformer(architecture, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in transformer.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(1 + 0.1 * values if "norm" in name else 0.25 * values)
    return transformer.eval().requires_grad_(False)
