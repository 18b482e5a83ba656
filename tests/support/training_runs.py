"""Tiny training runs in processes that begin with torch imported, since importing it takes longer than they train."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from tests.support.prepared import ROOT, PreparedProcess

from aquilon.training.history import EventReader, History
from aquilon.training.protocol import Pretrain, Size, Source, Training, read_events, steps_taken, write_job


def tiny_job(corpus: Path, tokenizer: Path, training: Training) -> Pretrain:
    """A model of 100,000 parameters in fp32; ``training`` says the rest."""
    return Pretrain(
        data=[Source(path=str(corpus))],
        tokenizer=str(tokenizer),
        model=Size(depth=2, hidden_size=64, context=32),
        training=msgspec.structs.replace(
            training,
            precision="float32",
            batch_tokens=training.batch_tokens or 256,
            learning_rate=training.learning_rate,
        ),
    )


class TrainingProcess:
    """``python -m aquilon.training.job RUN`` on so many ranks; ``with`` it, so that it ends in any case."""

    def __init__(self, run: Path, *, ranks: int = 1, prepare: Callable[[], None] | None = None) -> None:
        """``prepare`` is called in each process before it trains."""
        self.run = run
        self._processes: list[PreparedProcess] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        place = {"WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} if ranks > 1 else {}
        with (run / "process.log").open("a") as log:  # as aquilon's commands write it
            for rank in range(ranks):
                variables = place | ({"RANK": rank, "LOCAL_RANK": rank} if ranks > 1 else {})
                process = PreparedProcess(
                    "train",
                    str(run),
                    pickle.dumps(prepare).hex(),
                    folder=ROOT,
                    variables=os.environ | {name: str(value) for name, value in variables.items()},
                    stdout=log,
                    stderr=log,
                    with_torch=True,
                )
                self._processes.append(process)

    @property
    def pid(self) -> int:
        """The first rank's."""
        return self._processes[0].pid

    def __enter__(self) -> TrainingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all ranks."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def wait(self) -> int:
        """The first rank's exit code; the others are killed, as torchrun does, if it failed."""
        code = self._processes[0].wait()
        if code:
            self.kill()
        for process in self._processes:
            process.wait()
        return code

    def wait_until(self, happened: Callable[[], bool], *, seconds: float = 60) -> bool:
        """Whether it has happened before the first rank ended."""
        end = time.monotonic() + seconds
        while not happened():
            if self._processes[0].poll() is not None:
                return happened()
            assert time.monotonic() < end, (
                f"nothing after {seconds} s in {self.run}: {list(read_events(self.run))[-3:]}"
            )
            time.sleep(0.001)
        return True


def train(run: Path, job: Pretrain | None = None, *, ranks: int = 1) -> int:
    """Begin or resume a run, and train until it ends; the exit code."""
    if job is not None:
        write_job(run, job)
    with TrainingProcess(run, ranks=ranks) as process:
        return process.wait()


@contextmanager
def training(run: Path, job: Pretrain | None = None, *, ranks: int = 1) -> Iterator[TrainingProcess]:
    if job is not None:
        write_job(run, job)
    with TrainingProcess(run, ranks=ranks) as process:
        yield process


def takes_step(run: Path, step: int) -> Callable[[], bool]:
    """Whether the run has taken this step since now."""
    reader, history = EventReader(run), History()
    reader.read()

    def taken() -> bool:
        history.extend(reader.read())
        return bool(history.steps) and history.step >= step

    return taken


def saves(run: Path, step: int) -> Callable[[], bool]:
    """Whether the run has a whole checkpoint of this step or a later one."""
    return lambda: any(saved.step >= step for saved in History.of(run).saved)


def losses(run: Path) -> list[float]:
    return [step.loss for step in steps_taken(read_events(run))]


def checksums(run: Path) -> list[int]:
    """Of each step's rows."""
    return [step.data for step in steps_taken(read_events(run))]


def weights(run: Path) -> dict[str, bytes]:
    """The bytes of the last checkpoint's tensors, of model and optimizers."""
    import torch
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    from aquilon.training.checkpoints import whole_checkpoints

    file = run / "weights.pt"
    dcp_to_torch_save(whole_checkpoints(run)[-1], file)
    tensors: dict[str, bytes] = {}

    def collect(place: str, value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                collect(f"{place}.{name}", inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                collect(f"{place}.{index}", inner)
        elif isinstance(value, torch.Tensor):
            tensors[place] = value.numpy().tobytes()

    collect("", torch.load(file, weights_only=False))
    return tensors


def main() -> int:
    """What a `TrainingProcess` does."""
    import torch

    from aquilon.training import job

    torch.set_num_threads(1)
    run, prepare = Path(sys.argv[1]), pickle.loads(bytes.fromhex(sys.argv[2]))
    if prepare is not None:
        prepare()
    return job.main(run)
