"""A checkpoint, in the same form for every file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aquilon.checkpoints.store import MANIFEST
from aquilon.checkpoints.tensors import TensorEntry
from aquilon.models.architecture import Architecture

_DESCRIBING = ("*.json", "*.jinja", "tekken.json", "tokenizer.model*", "*.model.v*")

Format = Literal["gguf", "huggingface", "mistral"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything about a checkpoint that is known without reading weights."""

    path: Path
    """The file, or the folder."""
    format: Format
    architecture: Architecture
    metadata: Mapping[str, Any] = field(repr=False)
    """GGUF's key-values, else the content of config.json or params.json."""
    files: list[Path]
    """The files with the weights."""
    entries: Mapping[str, TensorEntry] = field(repr=False)
    eos_ids: frozenset[int] = frozenset()
    """Tokens that end an answer."""
    default_temperature: float | None = None
    """The temperature that the model's authors recommend, if any."""
    base: Checkpoint | None = None
    """The model that an adapter belongs to, where ``path`` is an adapter's folder."""

    def tensors(self) -> Mapping[str, TensorEntry]:
        """Every weight, by the names of ``Architecture.parameter_shapes``."""
        return self.entries

    @property
    def all_files(self) -> list[Path]:
        """Those with the weights, and those beside them that say how the model reads and writes, sorted."""
        beside = [path for pattern in _DESCRIBING for path in self.path.glob(pattern)] if self.path.is_dir() else []
        return sorted({*self.files, *(path for path in beside if path.name != MANIFEST)})

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights as they are stored."""
        return sum(entry.nbytes for entry in self.entries.values())
