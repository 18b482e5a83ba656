"""Several ranks train as one does: the same rows in each step, and checkpoints that any number of ranks reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.training_runs import (
    checksums,
    losses,
    saves,
    tiny_job,
    train,
    training,
    weights,
)
from tests.support.training_texts import write_corpus, write_tokenizer

from aquilon.training.history import History
from aquilon.training.protocol import Pretrain, Training, write_job

STEPS = 24


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("text")
    return write_corpus(folder / "corpus.txt"), write_tokenizer(folder / "tokenizer")


@pytest.mark.slow
def test_the_number_of_ranks_may_change_on_the_way(text: tuple[Path, Path], tmp_path: Path) -> None:
    """Two ranks, then one, then two. With AdamW the losses differ by the order of sums alone."""
    job = tiny_job(*text, Training(steps=STEPS, checkpoint_steps=4, validation_steps=STEPS, optimizer="adamw"))
    alone, run = tmp_path / "alone", tmp_path / "run"
    assert train(alone, job) == 0
    for ranks, saved in ((2, 4), (1, 8)):
        with training(run, job, ranks=ranks) as processes:
            assert processes.wait_until(saves(run, saved))
    assert train(run, ranks=2) == 0
    history = History.of(run)
    assert [started.ranks for started in history.starts] == [2, 1, 2]
    assert 4 <= history.starts[1].step < history.starts[2].step < STEPS
    assert checksums(run) == checksums(alone)
    assert losses(run) == pytest.approx(losses(alone), rel=1e-4)
    assert history.validations[-1].loss == pytest.approx(History.of(alone).validations[-1].loss, rel=1e-4)


@pytest.fixture(scope="module")
def job(text: tuple[Path, Path]) -> Pretrain:
    """With Muon, which orthogonalizes in bfloat16, so that it amplifies the order of sums."""
    return tiny_job(*text, Training(steps=STEPS, checkpoint_steps=4, validation_steps=STEPS))


@pytest.fixture(scope="module")
def pair(job: Pretrain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on two ranks."""
    run = tmp_path_factory.mktemp("pair")
    assert train(run, job, ranks=2) == 0
    return run


@pytest.mark.slow
def test_two_ranks_with_muon_train_nearly_as_one_does(job: Pretrain, pair: Path, tmp_path: Path) -> None:
    assert train(tmp_path, job) == 0
    assert checksums(pair) == checksums(tmp_path)
    assert losses(pair) == pytest.approx(losses(tmp_path), rel=0.03)


@pytest.mark.slow
def test_two_ranks_that_were_killed_go_on_bit_for_bit(job: Pretrain, pair: Path, tmp_path: Path) -> None:
    with training(tmp_path, job, ranks=2) as processes:
        assert processes.wait_until(saves(tmp_path, 4))
    assert train(tmp_path, ranks=2) == 0
    assert 4 <= History.of(tmp_path).starts[-1].step < STEPS
    assert losses(tmp_path) == losses(pair)
    assert weights(tmp_path) == weights(pair)


@pytest.mark.slow
def test_torchrun_starts_the_ranks(job: Pretrain, pair: Path, tmp_path: Path) -> None:
    write_job(tmp_path, job)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [*launcher, "-m", "aquilon.training.job", str(tmp_path)],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert losses(tmp_path) == losses(pair)
