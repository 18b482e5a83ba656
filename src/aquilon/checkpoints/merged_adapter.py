"""An adapter and its base, opened as one checkpoint: updates are added to the base's weights when these are read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aquilon.checkpoints.adapters import CONFIG, WEIGHTS, Adapter, OtherBase, open_adapter
from aquilon.checkpoints.checkpoint import Checkpoint
from aquilon.checkpoints.json_file import read_object
from aquilon.checkpoints.store import MANIFEST, ModelStore, StoreError, sha256_of
from aquilon.checkpoints.tensors import CheckpointError, LowRankUpdate

_STORE = "models"
"""The store's folder in a home."""

_RELEASED = "model"
"""The folder inside a training run with its result, which people call by the run's name."""

_TOKENIZERS = ("tokenizer.json", "tekken.json")


def open_merged(folder: Path, open_base: Callable[[Path], Checkpoint]) -> Checkpoint:
    """Open an adapter's folder with its base, which lies where the adapter says, or beside the adapter by its name.

    Raises CheckpointError where the base is missing, and OtherBase where it isn't the one that the adapter belongs to.
    """
    adapter = open_adapter(folder)
    base = open_base(_base_path(adapter))
    name = model_name(base)
    adapter.require_base(base.architecture, _sums(adapter, base), name=name)
    _require_vocabulary(folder, base, name)
    entries = dict(base.entries)
    for weight, (a, b) in adapter.updates.items():
        entry = entries[weight]
        entries[weight] = replace(entry, updates=(*entry.updates, LowRankUpdate(a, b, adapter.scale)))
    return replace(base, path=folder, files=[folder / WEIGHTS, *base.files], entries=entries, base=base)


def model_name(checkpoint: Checkpoint) -> str:
    """What a checkpoint is called: the name of its folder where it is the store's or has several files."""
    path = checkpoint.path
    return path.parent.name if path.is_file() and (path.parent / MANIFEST).is_file() else path.name


def _base_path(adapter: Adapter) -> Path:
    """Raises CheckpointError if no model is there."""
    named = Path(adapter.base_name).expanduser()
    if adapter.base_name and named.exists():
        return named
    # A home that was moved, or a store that the adapter was pulled into: its base is pulled under its own name.
    outer = named.parent.name if named.suffix == ".gguf" or named.name == _RELEASED else ""
    names = [name for name in (f"{outer}/{named.name}" if outer else "", outer, named.name) if name]
    path = adapter.path.absolute()
    around = path.parents[:3]
    for place in (*around, *(folder / _STORE for folder in around)):
        for name in names:
            if (place / name).exists() and (place / name) != path:
                return place / name
    shown = adapter.base_name or "a model that it doesn't name"
    raise CheckpointError(
        adapter.path,
        f"is an adapter for {shown}, which isn't on this machine. Pull that model first, under the name "
        f"'{outer or named.name or 'NAME'}', or write its path into base_model_name_or_path in {CONFIG}",
    )


def _sums(adapter: Adapter, base: Checkpoint) -> Mapping[str, str]:
    """The SHA-256 of those files of the base that the adapter knows, and that decide what is computed.

    Raises OtherBase for weights in a file that the adapter doesn't know.
    """
    if not adapter.base_files:
        return {}
    sums = {path.name: file_sum(path) for path in base.files}
    for name, digest in sums.items():
        if name not in adapter.base_files and digest not in adapter.base_files.values():
            known = ", ".join(adapter.base_files)
            raise OtherBase(
                adapter.path,
                f"was trained on {adapter.base_name} with the files {known}; {base.path} has its weights in {name}",
            )
    folder = base.path if base.path.is_dir() else base.path.parent
    return sums | {
        name: file_sum(folder / name)
        for name in _TOKENIZERS
        if name in adapter.base_files and (folder / name).is_file()
    }


def file_sum(path: Path) -> str:
    """A file's SHA-256: of a model in a store from its manifest, of any other file computed once."""
    status = path.stat()
    if (path.parent / MANIFEST).is_file():
        try:
            stored = ModelStore(path.parent.parent).get(path.parent.name)
        except StoreError:
            stored = None
        for file in stored.files if stored is not None else ():
            if (file.path, file.size, file.modified_ns) == (path.name, status.st_size, status.st_mtime_ns):
                return file.sha256
    return _computed_sum(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _computed_sum(path: Path, size: int, modified: int) -> str:
    return sha256_of(path)


def _require_vocabulary(folder: Path, base: Checkpoint, name: str) -> None:
    """Raises OtherBase if the adapter comes with another vocabulary than its base's."""
    own = folder / "tokenizer.json"
    if not own.is_file():
        return
    known = _base_ids(base)
    for text, token_id in _tokens(own) if known else ():
        if known.get(text) != token_id:
            there = f"it is {known[text]}" if text in known else "there is none"
            raise OtherBase(
                folder, f"comes with a tokenizer in which {text!r:.40} is token {token_id}; in its base {name} {there}"
            )


def _tokens(path: Path) -> Iterator[tuple[str, int]]:
    state = read_object(path)
    model = state.get("model")
    vocab: Any = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocab, dict):
        yield from ((text, token_id) for text, token_id in vocab.items() if isinstance(token_id, int))
    elif isinstance(vocab, list):  # Unigram's pieces with their scores
        yield from ((entry[0], index) for index, entry in enumerate(vocab) if isinstance(entry, list) and entry)
    for token in state.get("added_tokens") or []:
        if isinstance(token, dict) and isinstance(token.get("id"), int) and isinstance(token.get("content"), str):
            yield token["content"], token["id"]


def _base_ids(base: Checkpoint) -> Mapping[str, int]:
    """The ids of the base's tokens by their text; empty where it has no vocabulary that can be compared."""
    root = base
    while root.base is not None:
        root = root.base
    if root.format == "gguf":
        tokens = root.metadata.get("tokenizer.ggml.tokens")
        return {text: token_id for token_id, text in enumerate(tokens)} if isinstance(tokens, list) else {}
    path = root.path / "tokenizer.json"
    return dict(_tokens(path)) if path.is_file() else {}
