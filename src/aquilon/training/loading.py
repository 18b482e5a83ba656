"""Loads a model so that it can be trained further."""

from __future__ import annotations

import torch

from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.weights import load_transformer
from aquilon.models.transformer import Transformer
from aquilon.training.devices import Device
from aquilon.training.lora import add_lora
from aquilon.training.protocol import Lora


def load_trainable(base: Checkpoint, *, lora: Lora | None, seed: int, device: Device) -> Transformer:
    """The base with all weights trained, in fp32, or frozen with low-rank updates that are trained in fp32."""
    is_frozen = lora is not None and device.ranks == 1  # FSDP shards weights of one type
    dtype = device.dtype if is_frozen else torch.float32
    transformer = load_transformer(base, dtype=dtype, device=device.device)
    if lora is None:
        transformer.requires_grad_(True)
    else:
        add_lora(transformer, lora, seed=seed)
    return transformer
