"""A run's checkpoints: weights and optimizers by distributed checkpoint (DCP), readable on any number of ranks.

A checkpoint is written into a temporary folder, flushed to the disk, renamed, and then
marked as whole by a file: a torn one is never picked.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.stateful import Stateful

from aquilon.training.protocol import CHECKPOINTS

_COMPLETE = "COMPLETE"
_PROGRESS = "progress.json"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands: with the job and its data, all that a resumed run needs beside the tensors."""

    step: int
    tokens: int
    seconds: float
    loss: float | None
    validation_loss: float | None


class NoSpace(OSError):
    """The disk filled up while a checkpoint was written; the checkpoints before it are whole."""


class Trained(Stateful):
    """The model's trained parameters and the optimizers, as DCP reads and writes them."""

    def __init__(self, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._model, self._optimizers = model, tuple(optimizers)
        self._options = StateDictOptions(ignore_frozen_params=True, strict=False)

    def state_dict(self) -> dict[str, Any]:
        model, optimizers = get_state_dict(self._model, self._optimizers, options=self._options)
        return {"model": model, "optimizers": optimizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        set_state_dict(
            self._model,
            self._optimizers,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizers"],
            options=self._options,
        )


def checkpoint_name(step: int) -> str:
    return f"step-{step:08d}"


def whole_checkpoints(run: Path) -> list[Path]:
    """The run's whole checkpoints, oldest first."""
    folders = sorted((run / CHECKPOINTS).glob("step-????????"))
    return [folder for folder in folders if (folder / _COMPLETE).is_file()]


def read_progress(checkpoint: Path) -> Progress:
    return msgspec.json.decode((checkpoint / _PROGRESS).read_bytes(), type=Progress)


class CheckpointWriter:
    """Writes checkpoints beside the training: the tensors are copied at once, and written by a thread."""

    def __init__(self, run: Path, *, keep: int, on_saved: Callable[[Path, Progress], None]) -> None:
        self._folder = run / CHECKPOINTS
        self._folder.mkdir(exist_ok=True)
        self._keep, self._on_saved = keep, on_saved
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._is_first = not dist.is_initialized() or dist.get_rank() == 0
        self._group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        if self._is_first:
            for partial in self._folder.glob("*.partial"):
                shutil.rmtree(partial)

    def save(self, trained: Trained, progress: Progress) -> None:
        """Copy the tensors and return. Raises what the write before has raised, such as NoSpace."""
        self.wait()
        copied = _copied(trained.state_dict())
        self._pending = self._thread.submit(self._write, copied, progress)

    def wait(self) -> None:
        """Wait for the write that is under way. Raises what it has raised."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def close(self) -> None:
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def _write(self, state: dict[str, Any], progress: Progress) -> None:
        final = self._folder / checkpoint_name(progress.step)
        partial = final.with_name(final.name + ".partial")
        try:
            if self._is_first:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
            save(
                state,
                checkpoint_id=partial,
                storage_writer=FileSystemWriter(partial, sync_files=True),
                process_group=self._group,
                no_dist=self._group is None,
            )
            if self._is_first:
                (partial / _PROGRESS).write_bytes(msgspec.json.encode(progress))
                _sync(partial / _PROGRESS)
                _sync(partial)
                if final.exists():  # not whole, or it would have been resumed from
                    shutil.rmtree(final)
                partial.rename(final)
                (final / _COMPLETE).touch()
                _sync(final)
                _sync(self._folder)
        except Exception as error:
            if self._is_first:
                shutil.rmtree(partial, ignore_errors=True)
            if _is_disk_full(error):
                raise NoSpace(errno.ENOSPC, f"the disk is full: checkpoint {final.name} could not be written") from None
            raise
        if self._is_first:
            self._on_saved(final, progress)
            for old in whole_checkpoints(self._folder.parent)[: -self._keep]:
                (old / _COMPLETE).unlink()
                shutil.rmtree(old)


def load_checkpoint(checkpoint: Path, trained: Trained) -> Progress:
    """Read tensors into the model and the optimizers, on any number of ranks."""
    state = trained.state_dict()
    load(state, checkpoint_id=checkpoint, no_dist=not dist.is_initialized())
    trained.load_state_dict(state)
    return read_progress(checkpoint)


def _copied(state: Any) -> Any:
    """A copy of a tree of tensors, on the CPU."""
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(_copied(value) for value in state)
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    return state


def _is_disk_full(error: BaseException) -> bool:
    """DCP wraps what a writing rank raises."""
    return "No space left" in f"{error!r} {error.__cause__!r}" or getattr(error, "errno", None) == errno.ENOSPC


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
