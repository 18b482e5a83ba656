"""A run's losses to the last digit, as they were when the file beside this one was written.

``python -m tests.training.test_golden_losses`` writes them anew, after a change that is meant to change them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import torch
from tests.support.training_runs import losses, tiny_job, train
from tests.support.training_texts import write_byte_tokenizer, write_corpus

from aquilon.training.protocol import Training

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = 200
RATES = {"adamw": 5e-4, "muon": 1e-4}
"""At higher rates a run is chaotic: it amplifies the order of sums, and Muon's rounding to bfloat16 in between."""
ELSEWHERE = 1e-4
"""Relative, on other machines."""


def machine() -> str:
    """What decides on the last digits: how torch was built, and the instructions that it uses."""
    return f"torch {torch.__version__.partition('+')[0]}, {torch.backends.cpu.get_cpu_capability()}"


def measured(optimizer: str, folder: Path) -> list[float]:
    corpus, tokenizer = write_corpus(folder / "corpus.txt"), write_byte_tokenizer(folder / "tokenizer")
    training = Training(steps=STEPS, optimizer=optimizer, learning_rate=RATES[optimizer], z_loss=1e-4)  # type: ignore[arg-type]
    assert train(folder / "run", tiny_job(corpus, tokenizer, training)) == 0
    return losses(folder / "run")


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("muon", marks=pytest.mark.slow)])
def test_the_losses_of_200_steps_are_those_on_file(optimizer: str, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())
    if machine() in golden:
        assert measured(optimizer, tmp_path) == golden[machine()][optimizer]
    else:
        first = next(iter(golden.values()))
        assert measured(optimizer, tmp_path) == pytest.approx(first[optimizer], rel=ELSEWHERE)


def write_golden() -> None:
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    golden[machine()] = {}
    for optimizer in ("adamw", "muon"):
        with tempfile.TemporaryDirectory() as folder:
            golden[machine()][optimizer] = measured(optimizer, Path(folder))
    GOLDEN.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    write_golden()
