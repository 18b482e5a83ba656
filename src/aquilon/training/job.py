"""The training process: ``python -m aquilon.training.job RUN``, or ``torchrun … -m aquilon.training.job RUN``.

See `training.protocol` for the files of a run and the exit codes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch.utils import deterministic

from aquilon.starting_process import when_starter_ends
from aquilon.training.checkpoints import NoSpace, whole_checkpoints
from aquilon.training.data.documents import UnreadableSource
from aquilon.training.data.preparing import ChangedData
from aquilon.training.data.shards import ShardError
from aquilon.training.devices import Device, choose_device
from aquilon.training.fine_tuning import fine_tuning
from aquilon.training.first_rank import StoppedEarly
from aquilon.training.locking import locked
from aquilon.training.pretraining import pretraining
from aquilon.training.protocol import (
    FAILED,
    FINISHED,
    UNUSABLE,
    EventLog,
    Failed,
    Job,
    Paused,
    Pretrain,
    UnusableJob,
    now,
    read_job,
)
from aquilon.training.report import write_report
from aquilon.training.tensorboard_log import event_log
from aquilon.training.trainer import NotFinite

_PATIENCE = 20.0
"""Seconds for the step and its checkpoint when the process that started this one has ended; a run goes on from the
checkpoint before if they take longer."""

_UNUSABLE = (UnusableJob, UnreadableSource, ChangedData, ShardError)


class _Stop:
    """Whether the process was asked to pause."""

    def __init__(self) -> None:
        self._is_asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        when_starter_ends(self._end)

    def __call__(self) -> bool:
        return self._is_asked

    def _ask(self, number: int, frame: object) -> None:
        self._is_asked = True

    def _end(self) -> None:
        self._is_asked = True
        time.sleep(_PATIENCE)
        os.kill(os.getpid(), signal.SIGKILL)


def main(run: Path) -> int:
    """Run the folder's job to its end, or until it is asked to pause; the exit code."""
    stop = _Stop()
    try:
        job = read_job(run)
    except UnusableJob as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
    device = choose_device(job.training)
    torch.use_deterministic_algorithms(device.device.type == "cpu")
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    with contextlib.ExitStack() as open_things:
        if dist.is_initialized():
            open_things.callback(dist.destroy_process_group)
        log = None
        if device.is_first:
            try:
                open_things.enter_context(locked(run))
            except UnusableJob as error:
                print(error, file=sys.stderr)
                return UNUSABLE
            log = event_log(run)
        try:
            return _train(run, job, device, log, stop)
        except StoppedEarly:
            if log is not None:
                log.write(Paused(step=0, time=now()))
            return FINISHED
        except Exception as error:
            code, failed = _failure(error, run)
            print(failed.message, file=sys.stderr)
            if failed.code == "internal_error":
                traceback.print_exc()
            if log is not None:
                with contextlib.suppress(OSError):  # on a full disk: the message is on standard error
                    log.write(failed)
            return code


def _train(run: Path, job: Job, device: Device, log: EventLog | None, stop: _Stop) -> int:
    prepare = pretraining if isinstance(job, Pretrain) else fine_tuning
    prepared = prepare(run, job, device=device, log=log, stop=stop)  # type: ignore[arg-type]  # each takes its jobs
    if prepared.trainer.train():
        prepared.release(run, is_first=device.is_first)
        if log is not None:
            write_report(run)
            log.write(prepared.trainer.finished())
    return FINISHED


def _failure(error: Exception, run: Path) -> tuple[int, Failed]:
    last = [str(folder.relative_to(run)) for folder in whole_checkpoints(run)[-1:]]
    checkpoint = last[0] if last else None
    message = str(error)
    if isinstance(error, _UNUSABLE):
        return UNUSABLE, Failed(code="unusable_data", message=message, time=now())
    if isinstance(error, NotFinite):
        return FAILED, Failed(
            code="not_finite", message=message, step=error.step, checkpoint=error.checkpoint, time=now()
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        problem = error.strerror if isinstance(error, NoSpace) else f"{error.filename or run}: {error.strerror}"
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        message = f"the disk is full: {problem}; {kept}. Free some space, then resume the run"
        return FAILED, Failed(code="disk_full", message=message, checkpoint=checkpoint, time=now())
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        advice = "fewer tokens a row (context), a smaller model, or training.recompute need less"
        return FAILED, Failed(
            code="out_of_memory", message=f"the memory is full: {advice}", checkpoint=checkpoint, time=now()
        )
    return FAILED, Failed(
        code="internal_error", message=f"{type(error).__name__}: {error}", checkpoint=checkpoint, time=now()
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m aquilon.training.job RUN", file=sys.stderr)
        sys.exit(UNUSABLE)
    sys.exit(main(Path(sys.argv[1])))
