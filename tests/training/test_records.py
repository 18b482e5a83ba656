"""What a run leaves for people to look at: a report and TensorBoard's log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.cli.test_train_display import started, step
from tests.support.training_runs import (
    losses,
    takes_step,
    tiny_job,
    train,
    training,
)
from tests.support.training_texts import write_corpus, write_tokenizer

from aquilon.training.history import History
from aquilon.training.line_charts import lines
from aquilon.training.protocol import Paused, Training, write_job
from aquilon.training.report import write_report
from aquilon.training.tensorboard_log import event_log


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed on the way, and finished."""
    folder = tmp_path_factory.mktemp("records")
    corpus, tokenizer = write_corpus(folder / "corpus.txt"), write_tokenizer(folder / "tokenizer")
    job = tiny_job(corpus, tokenizer, Training(steps=40, checkpoint_steps=6, validation_steps=20))
    with training(folder / "run", job) as process:
        assert process.wait_until(takes_step(folder / "run", 16))
    assert train(folder / "run") == 0
    return folder / "run"


def test_tensorboard_shows_every_step_once(resumed: Path) -> None:
    log = EventAccumulator(str(resumed / "tensorboard")).Reload()
    shown = log.Scalars("loss/training")
    assert [scalar.step for scalar in shown] == list(range(1, 41))
    assert [scalar.value for scalar in shown] == losses(resumed)
    assert [scalar.step for scalar in log.Scalars("bits_per_byte/validation")] == [20, 40]


def test_tensorboard_shows_a_run_once_that_was_killed_before_its_first_checkpoint(tmp_path: Path) -> None:
    for steps in (5, 3):
        log = event_log(tmp_path)
        log.write(started(0))
        for number in range(1, steps + 1):
            log.write(step(number))
        log.write(Paused(step=steps, time=1.0))
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("loss/training")
    assert [scalar.step for scalar in shown] == [1, 2, 3]


def test_a_report_needs_no_other_file_and_shows_curves_and_facts(resumed: Path) -> None:
    report = (resumed / "report.html").read_text("utf-8")
    assert not re.search(r"<(script|link|img)|src=|href=|url\(", report)
    for curve in ("Loss, in nats", "Validation, in bits per byte", "Learning rate", "Tokens a second"):
        assert f'aria-label="{curve}"' in report
    assert "40 of 40" in report
    assert History.of(resumed).steps[-1].loss < 4
    for fact in ("corpus.txt", "126,", "fingerprint", "cpu, 1 thread, float32"):
        assert fact in report
    assert "color-scheme: light dark" in report
    assert "stroke: light-dark(" in report, "a line is lighter on a dark page"


def test_a_report_can_be_written_before_the_first_step(tmp_path: Path) -> None:
    corpus, tokenizer = write_corpus(tmp_path / "corpus.txt"), write_tokenizer(tmp_path / "tokenizer")
    write_job(tmp_path / "run", tiny_job(corpus, tokenizer, Training(steps=40)))
    report = write_report(tmp_path / "run").read_text()
    assert re.findall("<h2>(.*?)</h2>", report) == ["Training"], "nothing is tokenized yet, and nothing was trained"
    assert "<svg" not in report


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.6, 0.69], ["0.60", "0.62", "0.64", "0.66", "0.68"]),
        ([9000.0, 25_000.0], ["10,000", "15,000", "20,000", "25,000"]),
        ([1e-4, 1.2e-4], ["1.00e-04", "1.05e-04", "1.10e-04", "1.15e-04", "1.20e-04"]),
        ([-0.2, 0.0], ["-0.20", "-0.15", "-0.10", "-0.05", "0.00"]),
    ],
)
def test_the_labels_of_an_axis_have_as_many_digits(values: list[float], labels: list[str]) -> None:
    chart = lines("Loss", {"training": list(enumerate(values, start=1))})
    upright, across = chart.split('text-anchor="middle"', 1)
    assert re.findall('text-anchor="end">(.*?)<', upright) == labels
    assert re.findall(">([0-9.]+)<", across) == ["1", "2"], "there is no step between two"


def test_a_chart_of_one_step_has_its_point_between_its_neighbours() -> None:
    assert re.findall('text-anchor="middle">(.*?)<', lines("Loss", {"training": [(7, 3.0)]})) == ["6", "7", "8"]
