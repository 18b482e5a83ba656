"""Open a checkpoint in any format that we read, without torch and without reading weights."""

from __future__ import annotations

from pathlib import Path

from aquilon.checkpoints.adapters import CONFIG as ADAPTER
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.gguf_model import open_gguf
from aquilon.checkpoints.hugging_face import INDEX, open_hugging_face
from aquilon.checkpoints.merged_adapter import open_merged
from aquilon.checkpoints.mistral_format import open_mistral
from aquilon.checkpoints.tensors import CheckpointError, TensorEntry

__all__ = ["Checkpoint", "CheckpointError", "TensorEntry", "open_checkpoint"]

_MOST_ADAPTERS = 4


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a GGUF file, or a folder with one, or in Hugging Face's or Mistral's format, or with an adapter.

    An adapter is opened with its base and merged when weights are read. Raises CheckpointError naming the file that is
    missing or damaged, and UnsupportedArchitecture for a model that this program can't run.
    """
    return _open(Path(path), _MOST_ADAPTERS)


def _open(path: Path, adapters: int) -> Checkpoint:
    """``adapters``: how many may lie on top of each other."""
    if path.is_file():
        return open_gguf(path)
    if not path.is_dir():
        raise CheckpointError(path, "does not exist")
    has_config, has_params = (path / "config.json").is_file(), (path / "params.json").is_file()
    has_consolidated = any(path.glob("consolidated*.safetensors"))
    has_shards = (path / INDEX).is_file() or any(path.glob("model*.safetensors"))
    if has_params and has_consolidated and not (has_config and has_shards):
        return open_mistral(path)
    if has_config and has_shards:
        return open_hugging_face(path)
    if (path / ADAPTER).is_file():
        if not adapters:
            raise CheckpointError(path, f"is an adapter on top of {_MOST_ADAPTERS} others: no more are allowed")
        return open_merged(path, lambda base: _open(base, adapters - 1))
    if files := _gguf_files(path):
        return open_gguf(files[0])
    if has_config or has_params:
        raise CheckpointError(path, "holds a configuration but no safetensors: other weight formats are not read")
    raise CheckpointError(path, "holds no model: neither GGUF, nor config.json or params.json with safetensors")


def _gguf_files(folder: Path) -> list[Path]:
    """The folder's GGUF model: one file, or the parts that it was split into."""
    files = [file for file in sorted(folder.glob("*.gguf")) if not file.name.startswith("mmproj")]
    stems = {file.name.split("-00")[0] if "-of-" in file.name else file.name for file in files}
    if len(stems) > 1:
        names = ", ".join(file.name for file in files[:8])
        raise CheckpointError(folder, f"holds several GGUF models, so name one of them: {names}")
    return files
