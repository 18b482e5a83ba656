"""A run that was killed goes on as if it never had been: the same losses and weights, bit for bit."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.support.prepared import python_with_torch
from tests.support.training_runs import (
    TrainingProcess,
    checksums,
    losses,
    takes_step,
    tiny_job,
    train,
    training,
    weights,
)
from tests.support.training_texts import write_corpus, write_tokenizer

from aquilon.training import job as training_job
from aquilon.training.checkpoints import whole_checkpoints
from aquilon.training.history import EventReader, History
from aquilon.training.protocol import CHECKPOINTS, EVENTS, Failed, Paused, Pretrain, Step, Training, write_job

STEPS = 40


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A corpus and a tokenizer."""
    folder = tmp_path_factory.mktemp("text")
    return write_corpus(folder / "corpus.txt"), write_tokenizer(folder / "tokenizer")


@pytest.fixture(scope="module")
def job(text: tuple[Path, Path]) -> Pretrain:
    return tiny_job(*text, Training(steps=STEPS, checkpoint_steps=4, validation_steps=20, seed=3))


@pytest.fixture(scope="module")
def unbroken(job: Pretrain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody killed."""
    run = tmp_path_factory.mktemp("unbroken")
    assert train(run, job) == 0
    assert len(losses(run)) == STEPS
    return run


def writes_checkpoint(run: Path) -> Callable[[], bool]:
    """Whether a checkpoint is being written."""
    return lambda: any((run / CHECKPOINTS).glob("*.partial"))


def tokenizes(run: Path) -> Callable[[], bool]:
    return lambda: any(run.glob("data/*.partial"))


def assert_same(run: Path, unbroken: Path) -> None:
    assert losses(run) == losses(unbroken)
    assert checksums(run) == checksums(unbroken)
    assert weights(run) == weights(unbroken)
    validations = [event.loss for event in History.of(run).validations]
    assert validations == [event.loss for event in History.of(unbroken).validations]


@pytest.mark.slow
def test_a_run_that_was_killed_thrice_equals_one_that_was_not(job: Pretrain, unbroken: Path, tmp_path: Path) -> None:
    """While it tokenized, between two checkpoints, and while it wrote one."""
    moments: tuple[Callable[[Path], Callable[[], bool]], ...] = (
        tokenizes,
        lambda run: takes_step(run, 14),
        writes_checkpoint,
    )
    for moment in moments:
        with training(tmp_path, job) as process:
            assert process.wait_until(moment(tmp_path))
    assert train(tmp_path) == 0
    assert_same(tmp_path, unbroken)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_20_kills_at_random_moments_leave_no_trace(job: Pretrain, unbroken: Path, tmp_path: Path) -> None:
    """Every other one comes while a checkpoint is written, if one is before the run has ended."""
    chance = random.Random(20)
    for number in range(20):
        run = tmp_path / str(number)
        with training(run, job) as process:
            if number % 2:
                process.wait_until(takes_step(run, chance.randrange(STEPS - 8)))
                process.wait_until(writes_checkpoint(run))
            else:
                process.wait_until(lambda run=run: (run / EVENTS).exists())  # type: ignore[misc]
                time.sleep(chance.uniform(0, 1))
        assert train(run) == 0
        assert_same(run, unbroken)


@pytest.mark.slow
def test_a_paused_run_goes_on_from_the_very_step(job: Pretrain, unbroken: Path, tmp_path: Path) -> None:
    with training(tmp_path, job) as process:
        process.wait_until(takes_step(tmp_path, 5))
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait() == 0
    paused = History.of(tmp_path).step
    assert train(tmp_path) == 0
    assert History.of(tmp_path).starts[-1].step == paused
    assert_same(tmp_path, unbroken)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says when a process ends")
def test_a_run_whose_starter_is_killed_writes_a_checkpoint_and_ends(
    job: Pretrain, unbroken: Path, tmp_path: Path
) -> None:
    write_job(tmp_path, job)
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as starter,
        TrainingProcess(tmp_path, prepare=partial(_started_by, starter.pid)) as process,
    ):
        process.wait_until(takes_step(tmp_path, 5))
        starter.kill()
        assert process.wait() == 0
    end = History.of(tmp_path).end
    assert isinstance(end, Paused)
    assert whole_checkpoints(tmp_path)[-1].name == f"step-{end.step:08}"
    assert train(tmp_path) == 0
    assert_same(tmp_path, unbroken)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says when a process ends")
def test_a_run_whose_starter_is_killed_does_not_wait_for_a_step_of_minutes(job: Pretrain, tmp_path: Path) -> None:
    write_job(tmp_path, job)
    with subprocess.Popen(["true"]) as starter:
        starter.wait()
        with TrainingProcess(tmp_path, prepare=partial(_started_by, starter.pid, patience=0.0)) as process:
            assert process.wait() == -signal.SIGKILL


def _started_by(pid: int, *, patience: float = 600.0) -> None:
    os.environ["AQUILON_STARTED_BY"] = str(pid)
    training_job._PATIENCE = patience


@pytest.mark.parametrize("torn", ["a file is cut", "a file is missing", "it was never marked as whole"])
def test_a_torn_checkpoint_is_never_picked(torn: str, unbroken: Path, tmp_path: Path) -> None:
    run = shutil.copytree(unbroken, tmp_path / "run")
    before, last = whole_checkpoints(run)
    match torn:
        case "a file is cut":
            os.truncate(last / "__0_0.distcp", 1000)
        case "a file is missing":
            (last / ".metadata").unlink()
        case _:
            (last / "COMPLETE").unlink()
    assert whole_checkpoints(run) == [before]
    assert train(run) == 0
    assert History.of(run).starts[-1].step == int(before.name.removeprefix("step-"))
    assert_same(run, unbroken)


def test_a_run_refuses_data_that_has_changed(text: tuple[Path, Path], unbroken: Path, tmp_path: Path) -> None:
    corpus, tokenizer = shutil.copy(text[0], tmp_path / "corpus.txt"), shutil.copytree(text[1], tmp_path / "tokenizer")
    run = tmp_path / "run"
    assert train(run, tiny_job(corpus, tokenizer, Training(steps=2))) == 0
    os.utime(corpus, (0, 0))
    assert train(run) == 0, "only its date has changed"

    letters = corpus.read_text()
    corpus.write_text(letters.replace("the", "The"))
    assert train(run) == 2
    assert failure(run).code == "unusable_data"
    assert failure(run).message == f"{corpus} has changed since the run began: begin a new run, or put it back"

    corpus.write_text(letters)
    vocabulary = (tokenizer / "tokenizer.json").read_text()
    (tokenizer / "tokenizer.json").write_text(vocabulary.replace("<|im_start|>", "<|turn|>"))
    assert train(run) == 2
    assert "tokenizer" in failure(run).message
    (tokenizer / "tokenizer.json").write_text(vocabulary)
    assert train(run) == 0


def test_a_second_process_on_a_run_is_refused_by_the_first_ones_number(job: Pretrain, tmp_path: Path) -> None:
    with training(tmp_path, job) as process:
        process.wait_until(takes_step(tmp_path, 1))
        os.kill(process.pid, signal.SIGSTOP)
        command = [python_with_torch(), "-m", "aquilon.training.job", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert second.stderr.strip() == f"{tmp_path} is being trained by process {process.pid}"
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait() == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_in_a_checkpoint_leaves_the_one_before(
    job: Pretrain, unbroken: Path, tmp_path: Path
) -> None:
    """The limit on a file's size takes the place of a disk's end: the system answers such a write alike."""
    with training(tmp_path, job) as process:
        process.wait_until(takes_step(tmp_path, 10))
    last = whole_checkpoints(tmp_path)[-1]
    with TrainingProcess(tmp_path, prepare=allow_no_large_file) as process:
        assert process.wait() == 1
    failed = failure(tmp_path)
    assert failed.code == "disk_full"
    assert failed.checkpoint == f"checkpoints/{last.name}"
    assert re.fullmatch(
        rf"the disk is full: checkpoint step-\d+ could not be written: File too large; the last good checkpoint is "
        rf"checkpoints/{last.name}. Free some space, then resume the run",
        failed.message,
    )
    assert whole_checkpoints(tmp_path)[-1] == last
    assert not any((tmp_path / CHECKPOINTS).glob("*.partial"))
    assert train(tmp_path) == 0
    assert_same(tmp_path, unbroken)


def allow_no_large_file() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))


def test_a_loss_that_is_no_number_stops_the_run(text: tuple[Path, Path], tmp_path: Path) -> None:
    wild = Training(steps=STEPS, checkpoint_steps=1, warmup=0.5, learning_rate=1e25, optimizer="adamw")
    assert train(tmp_path, tiny_job(*text, wild)) == 1
    failed, history = failure(tmp_path), History.of(tmp_path)
    assert failed.code == "not_finite"
    assert failed.step == history.step + 1
    assert failed.checkpoint == history.saved[-1].path
    assert f"of step {failed.step} is not a number" in failed.message
    assert f"the last good checkpoint is {failed.checkpoint}" in failed.message


@pytest.mark.slow
def test_a_run_by_minutes_decides_once_how_many_steps_it_takes(text: tuple[Path, Path], tmp_path: Path) -> None:
    training_ = Training(minutes=0.03, decay=0.5, checkpoint_steps=1)
    reader = EventReader(tmp_path)
    with training(tmp_path, tiny_job(*text, training_)) as process:
        process.wait_until(lambda: any(isinstance(event, Step) and event.steps for event in reader.read()))
    decided = History.of(tmp_path).total_steps
    assert train(tmp_path) == 0
    assert History.of(tmp_path).step == decided
    rates = [step.learning_rate for step in History.of(tmp_path).steps]
    assert rates[-1] < rates[-2] < max(rates), "it has fallen until the end"


def failure(run: Path) -> Failed:
    """How the run's last process failed."""
    end = History.of(run).end
    assert isinstance(end, Failed)
    return end
