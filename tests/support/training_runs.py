"""Tiny training runs in processes that begin with torch imported, since importing it takes longer than they train."""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import msgspec

from aquilon.training.history import EventReader, History
from aquilon.training.protocol import Pretrain, Size, Source, Training, read_events, steps_taken, write_job
from aquilon.training.tokenizer import train_tokenizer

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["aquilon.training.job", "torch.utils.tensorboard"])

_WORDS = (
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "saw",
    "that",
    "it",
    "was",
    "raining",
    "over",
    "Montréal",
    "in",
    "May",
)


def write_corpus(path: Path, *, words: int = 30_000, seed: int = 1) -> Path:
    """Lines of words, some more often than others, so that there is something to learn."""
    chosen = random.Random(seed).choices(_WORDS, weights=range(len(_WORDS), 0, -1), k=words)
    path.write_text("\n".join(" ".join(chosen[start : start + 12]) for start in range(0, words, 12)))
    return path


def write_tokenizer(folder: Path, *, vocab_size: int = 300) -> Path:
    train_tokenizer(iter([" ".join(_WORDS * 20)]), vocab_size, folder)
    return folder


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
        self._processes: list[ForkServerProcess] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank in range(ranks):
            process = _processes.Process(target=_train, args=(run, rank, ranks, port, prepare))
            process.start()
            self._processes.append(process)

    @property
    def pid(self) -> int:
        """The first rank's."""
        pid = self._processes[0].pid
        assert pid is not None
        return pid

    def __enter__(self) -> TrainingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all ranks."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def wait(self) -> int:
        """The first rank's exit code; the others are killed, as torchrun does, if it failed."""
        self._processes[0].join()
        code = self._processes[0].exitcode
        assert code is not None
        if code:
            self.kill()
        for process in self._processes:
            process.join()
        return code

    def wait_until(self, happened: Callable[[], bool], *, seconds: float = 60) -> bool:
        """Whether it has happened before the first rank ended."""
        end = time.monotonic() + seconds
        while not happened():
            if not self._processes[0].is_alive():
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


def _train(run: Path, rank: int, ranks: int, port: int, prepare: Callable[[], None] | None) -> None:
    import torch

    from aquilon.training.job import main

    torch.set_num_threads(1)
    if ranks > 1:
        place = {"RANK": rank, "WORLD_SIZE": ranks, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in place.items()})
    with (run / "process.log").open("a") as log:  # as aquilon's commands write it
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    if prepare is not None:
        prepare()
    sys.exit(main(run))
