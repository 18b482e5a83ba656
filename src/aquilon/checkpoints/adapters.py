"""Low-rank adapters in peft's format: ``adapter_config.json`` and ``adapter_model.safetensors``.

Our own adapters say in ``adapter_config.json`` which model they belong to: ``aquilon_base``
has the SHA-256 of each of that model's files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aquilon.checkpoints.config_fields import integer, number
from aquilon.checkpoints.hugging_face_names import our_name
from aquilon.checkpoints.json_file import read_object
from aquilon.checkpoints.safetensors_file import read_safetensors, tensor_entry
from aquilon.checkpoints.tensors import CheckpointError, TensorEntry
from aquilon.models.architecture import Architecture

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "aquilon_base"

_TENSOR = re.compile(
    r"base_model\.model\.(model|model\.language_model|language_model\.model)\.(?P<module>layers\..+)"
    r"\.lora_(?P<side>[AB])\.weight"
)
_UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "fan_in_fan_out",
    "lora_bias",
    "use_qalora",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
)
"""Fields of peft's that change what an adapter computes; where they are unset, it is plain LoRA."""

_CHANGING = ("pissa", "olora", "corda", "loftq")
"""Ways to initialise an adapter that change the base's weights, too, which the adapter's files don't hold."""


class OtherBase(CheckpointError):
    """The adapter belongs to another model."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """An adapter, its weights not read yet."""

    path: Path
    rank: int
    scale: float
    """The update of a weight is ``scale · B A``."""
    updates: Mapping[str, tuple[TensorEntry, TensorEntry]] = field(repr=False)
    """A ``(rank, inputs)`` and B ``(outputs, rank)`` by the weight's name in ``Architecture.parameter_shapes``."""
    base_name: str
    """What the adapter calls its base."""
    base_files: Mapping[str, str]
    """SHA-256 of the base's files by name; empty where another program wrote the adapter."""

    def require_base(
        self, architecture: Architecture, files: Mapping[str, str] | None = None, *, name: str = "this one"
    ) -> None:
        """Raises OtherBase if the adapter doesn't belong to a model of this architecture, with these files."""
        shapes = architecture.parameter_shapes()
        for weight, (a, b) in self.updates.items():
            expected = shapes.get(weight)
            if expected != (b.shape[0], a.shape[1]):
                what = "has no such weight" if expected is None else f"has {list(expected)} there"
                raise OtherBase(
                    self.path,
                    f"belongs to another model than {name}: it updates {weight} with {b.shape[0]} × {a.shape[1]} "
                    f"values, and the model {what}. Its base is {self.base_name or 'not named'}",
                )
        for file, digest in (files or {}).items():
            if self.base_files and self.base_files.get(file, digest) != digest:
                raise OtherBase(
                    self.path,
                    f"was trained on another {file} than this model's, which is {name}. Its base is {self.base_name}",
                )


def open_adapter(folder: Path) -> Adapter:
    """Raises CheckpointError for a folder without an adapter, a damaged one, and one that is more than plain LoRA."""
    config_file = folder / CONFIG
    if not config_file.is_file():
        raise CheckpointError(folder, f"holds no adapter: {CONFIG} is missing")
    config = read_object(config_file)
    if config.get("peft_type") != "LORA":
        raise CheckpointError(config_file, f"peft_type is {config.get('peft_type')!r:.40}: LORA can be read")
    more = [name for name in _UNSUPPORTED if config.get(name)]
    if more or config.get("bias", "none") != "none":
        raise CheckpointError(config_file, f"uses {more[0] if more else 'bias'!r}: plain LoRA can be read")
    if str(config.get("init_lora_weights")).lower().startswith(_CHANGING):
        way = config["init_lora_weights"]
        raise CheckpointError(config_file, f"init_lora_weights is {way!r:.40}, for which peft changes the base, too")
    try:
        rank = integer(config, "r", 8, at_most=4096)
        alpha = number(config, "lora_alpha", 8.0)
    except ValueError as error:
        raise CheckpointError(config_file, str(error)) from None
    base: Any = config.get(BASE)
    files = base.get("files") if isinstance(base, dict) else None
    return Adapter(
        path=folder,
        rank=rank,
        scale=alpha / (rank**0.5 if config.get("use_rslora") else rank),
        updates=_updates(folder / WEIGHTS, rank),
        base_name=str(config.get("base_model_name_or_path") or ""),
        base_files={str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {},
    )


def _updates(path: Path, rank: int) -> dict[str, tuple[TensorEntry, TensorEntry]]:
    sides: dict[str, dict[str, TensorEntry]] = {}
    for stored_name, tensor in read_safetensors(path).items():
        match = _TENSOR.fullmatch(stored_name)
        name = our_name(f"model.{match['module']}.weight") if match else None
        if match is None or name is None or len(tensor.shape) != 2:
            raise CheckpointError(path, f"the tensor {stored_name!r:.120} is no update of a weight that is known here")
        if tensor.shape[0 if match["side"] == "A" else 1] != rank:
            raise CheckpointError(path, f"{stored_name!r:.120} has the shape {list(tensor.shape)}: the rank is {rank}")
        sides.setdefault(name, {})[match["side"]] = tensor_entry(tensor, stored_name)
    for name, pair in sides.items():
        if len(pair) != 2:
            raise CheckpointError(path, f"the update of {name} lacks its {'B' if 'A' in pair else 'A'}")
    return {name: (pair["A"], pair["B"]) for name, pair in sides.items()}
