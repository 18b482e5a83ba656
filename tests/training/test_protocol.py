"""Jobs as people write them, and events as a kill leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from aquilon.training.protocol import (
    EVENTS,
    EventLog,
    Paused,
    Pretrain,
    Sft,
    Started,
    Step,
    UnusableJob,
    job_from,
    model_name,
    read_events,
    read_job,
    released,
    steps_taken,
    write_job,
)

PRETRAIN = {"kind": "pretrain", "data": [{"path": "text"}], "tokenizer": "tokenizer"}


def step(number: int, loss: float = 1.0) -> Step:
    return Step(
        step=number,
        steps=10,
        loss=loss,
        learning_rate=0.1,
        gradient_norm=1.0,
        tokens=number,
        seconds=1.0,
        tokens_per_second=1.0,
        data=0,
        time=0.0,
    )


def started(number: int) -> Started:
    return Started(
        step=number,
        steps=10,
        parameters=1,
        trained_parameters=1,
        batch_tokens=1,
        ranks=1,
        device="cpu",
        time=0.0,
    )


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"tokeniser": "x"}, "'tokeniser' is unknown: did you mean 'tokenizer'?"),
        ({"training": {"stpes": 5}}, "'stpes' in training is unknown: did you mean 'steps'?"),
        ({"model": {"dpeth": 5}}, "'dpeth' in model is unknown: did you mean 'depth'?"),
        ({"model": {"zzz": 5}}, "'zzz' in model is unknown: its names are depth, context"),
        ({"data": [{"path": "a", "wieght": 1}]}, "did you mean 'weight'?"),
        ({"training": {"steps": 0}}, "training.steps is 0: it must be above 0"),
        ({"training": {"learning_rate": -1.0}}, "training.learning_rate is -1.0: it must be above 0"),
        ({"training": {"decay": 1.5}}, "training.decay is 1.5: a share lies between 0 and 1"),
        ({"training": {"steps": 5, "minutes": 1}}, "steps and minutes are both given"),
        ({"training": {"steps": "five"}}, 'training.steps is "five": it must be a whole number'),
        ({"training": {"recompute": "yes"}}, 'training.recompute is "yes": it must be true or false'),
        ({"training": {"optimizer": "adam"}}, 'training.optimizer is "adam": it must be one of muon, adamw'),
        ({"lora": 16}, "lora is 16: it must be a table of names with values, such as {rank = 16}"),
        ({"data": "a.txt"}, 'data is "a.txt": it must be a list, in square brackets'),
        ({"data": [{"weight": 2.0}]}, "data[0].path is missing"),
        ({"model": {"depth": -2}}, "model.depth is -2: it must be above 0"),
        ({"data": []}, "data is empty: name at least one file or folder"),
        ({"data": [{"path": "a", "weight": 0}]}, "data[0].weight is 0"),
        ({"kind": "pretrian"}, 'kind is "pretrian": it must be one of pretrain, sft, dpo'),
    ],
)
def test_a_job_that_cannot_be_used_says_what_would_be_right(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(UnusableJob) as raised:
        job_from(PRETRAIN | changed, where="recipe.toml")
    assert str(raised.value).startswith("recipe.toml: ")
    assert problem in str(raised.value)


def test_a_run_stands_for_its_result_and_an_unfinished_one_says_how_it_gets_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_job(run, job_from(PRETRAIN, where=""))
    with pytest.raises(UnusableJob, match=f"the run {run} isn't finished.*`aquilon train resume {run}`"):
        released(run)
    (run / "model").mkdir()
    assert released(run) == run / "model"
    assert released(tmp_path) == tmp_path
    assert model_name(run / "model") == "run"


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    jobs = [job_from(PRETRAIN, where=""), Sft(model="base", data=["chats.jsonl"])]
    for job in jobs:
        write_job(tmp_path, job)
        assert read_job(tmp_path) == job
    assert isinstance(jobs[0], Pretrain)


def test_a_folder_without_a_job_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UnusableJob, match=r"is no run: it holds no job\.json"):
        read_job(tmp_path)


def test_a_line_that_a_kill_has_cut_hides_no_other(tmp_path: Path) -> None:
    EventLog(tmp_path).write(step(1))
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(msgspec.json.encode(step(2))[:20])
    EventLog(tmp_path).write(step(3))
    assert list(read_events(tmp_path)) == [step(1), step(3)]


def test_the_steps_of_a_resumed_run_replace_those_that_it_takes_again() -> None:
    events = [started(0), step(1), step(2), step(3, loss=9.0), started(2), step(3, loss=4.0), Paused(step=3, time=0.0)]
    assert [(taken.step, taken.loss) for taken in steps_taken(iter(events))] == [(1, 1.0), (2, 1.0), (3, 4.0)]
