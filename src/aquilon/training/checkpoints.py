"""A run's checkpoints: weights and optimizers by distributed checkpoint (DCP), readable on any number of ranks.

A checkpoint is written into a temporary folder, flushed to the disk, renamed, and then
marked as whole by a file with the sizes of the others: a torn one is never picked.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystem, FileSystemWriter
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.stateful import Stateful

from aquilon.training.protocol import CHECKPOINTS

_COMPLETE = "COMPLETE"
_PROGRESS = "progress.json"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands: with the job and its data, all that a resumed run needs beside the tensors."""

    step: int
    tokens: int
    seconds: float
    loss: float | None
    validation_loss: float | None


class DamagedCheckpoint(ValueError):
    """A checkpoint that can't be read, though its files have their lengths."""


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
    """The run's whole checkpoints, oldest first: those whose files are as long as they were written."""
    return [folder for folder in sorted((run / CHECKPOINTS).glob("step-????????")) if _is_whole(folder)]


def _is_whole(folder: Path) -> bool:
    try:
        sizes = msgspec.json.decode((folder / _COMPLETE).read_bytes(), type=dict[str, int])
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (FileNotFoundError, msgspec.DecodeError):
        return False


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
            self._write_files(partial, state, progress)
            if self._is_first:
                _put_in_place(partial, final)
        except Exception as error:
            if self._is_first:
                shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                problem = f"checkpoint {final.name} could not be written: {error.strerror}"
                raise NoSpace(errno.ENOSPC, problem) from None
            raise
        if self._is_first:
            self._on_saved(final, progress)
            for old in whole_checkpoints(self._folder.parent)[: -self._keep]:
                (old / _COMPLETE).unlink()
                shutil.rmtree(old)

    def _write_files(self, partial: Path, state: dict[str, Any], progress: Progress) -> None:
        if self._is_first:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
        try:
            save(
                state,
                checkpoint_id=partial,
                storage_writer=_Writer(partial),
                process_group=self._group,
                no_dist=self._group is None,
            )
        except CheckpointException as error:
            raise _cause(error) from None
        if self._is_first:
            (partial / _PROGRESS).write_bytes(msgspec.json.encode(progress))
            _sync(partial / _PROGRESS)
            _sync(partial)


def _put_in_place(partial: Path, final: Path) -> None:
    """Give a checkpoint its name, and mark it as whole."""
    sizes = {file.name: file.stat().st_size for file in partial.iterdir()}
    if final.exists():  # not whole, or it would have been resumed from
        shutil.rmtree(final)
    partial.rename(final)
    (final / _COMPLETE).write_bytes(msgspec.json.encode(sizes))
    _sync(final / _COMPLETE)
    _sync(final)
    _sync(final.parent)


def load_checkpoint(checkpoint: Path, trained: Trained) -> Progress:
    """Read tensors into the model and the optimizers, on any number of ranks. Raises DamagedCheckpoint."""
    state = trained.state_dict()
    try:
        load(state, checkpoint_id=checkpoint, no_dist=not dist.is_initialized())
    except CheckpointException as error:
        raise DamagedCheckpoint(f"{checkpoint} can't be read: {_cause(error)}") from None
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


class _Writer(FileSystemWriter):
    """Writes a checkpoint's files, and raises what the system said of a failed write, which torch.save hides."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sync_files=True)
        self.fs = _Files()


class _Files(FileSystem):
    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Iterator[io.IOBase]:
        if mode != "wb":
            with super().create_stream(path, mode) as stream:
                yield stream
            return
        file = _NotingFile(path, "w")
        try:
            with io.BufferedWriter(file) as stream:
                yield stream
        except Exception:
            if file.problem is not None:
                raise file.problem from None
            raise


class _NotingFile(io.FileIO):
    """A file that remembers why a write failed."""

    problem: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.problem = error
            raise


def _cause(error: CheckpointException) -> Exception:
    """What a rank has raised; DCP's own exception is none that `except Exception` sees."""
    raised, _ = next(iter(error.failures.values()))
    return raised if isinstance(raised, Exception) else RuntimeError(str(error))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
