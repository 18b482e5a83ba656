"""Writes a run's trained updates as an adapter that peft, vLLM and this program load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from aquilon.checkpoints.adapters import BASE, CONFIG, WEIGHTS
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.whole_folder import whole_folder
from aquilon.models.transformer import Transformer
from aquilon.training.data.preparing import SourceFile
from aquilon.training.lora import LoraLinear, lora_layers
from aquilon.training.parallelize import whole
from aquilon.training.protocol import MODEL

_PARTS = {"attention": "self_attn", "mlp": "mlp"}


def release_adapter(
    run: Path, transformer: Transformer, *, base: Checkpoint, base_files: Sequence[SourceFile], is_first: bool
) -> None:
    """Write the adapter under MODEL, whole or not at all. All ranks call it: each may hold a part of the updates."""
    prefix = f"base_model.model.{_prefix(base)}layers"
    tensors: dict[str, Tensor] = {}
    layer = None
    for index, part, layer in lora_layers(transformer):
        fused = torch.split(_stored(layer.lora_a), layer.rank)
        for name, a, b in zip(layer.names, fused, layer.lora_b, strict=True):
            tensors[f"{prefix}.{index}.{_PARTS[part]}.{name}.lora_A.weight"] = a.clone()
            tensors[f"{prefix}.{index}.{_PARTS[part]}.{name}.lora_B.weight"] = _stored(b)
    assert layer is not None
    if not is_first:
        return
    targets = sorted({name for _, _, layer in lora_layers(transformer) for name in layer.names})
    with whole_folder(run / MODEL, replace=True) as folder:
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        config = _config(layer, targets, base, base_files)
        (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _config(
    layer: LoraLinear, targets: list[str], base: Checkpoint, base_files: Sequence[SourceFile]
) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base.path.resolve()),
        "r": layer.rank,
        "lora_alpha": layer.scale * layer.rank,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
        BASE: {
            "path": str(base.path.resolve()),
            "files": {Path(file.path).name: file.sha256 for file in base_files},
        },
    }


def _prefix(base: Checkpoint) -> str:
    """What stands before ``layers`` in the names of the base's weights, as transformers loads it."""
    has_pictures = base.format == "huggingface" and "text_config" in base.metadata
    return "model.language_model." if has_pictures else "model."


def _stored(value: Tensor) -> Tensor:
    """A trained update as the adapter's file holds it."""
    return whole(value).to("cpu", torch.float32, copy=True).contiguous()
