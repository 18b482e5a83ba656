"""How a run is shown: from events that a training process would write."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from tests.support.commands import run_aquilon
from tests.support.terminal import TerminalCommand

from aquilon.cli.train.display import prepared_words, sparkline, speed_words
from aquilon.training.energy import energy_text
from aquilon.training.history import History
from aquilon.training.protocol import (
    EventLog,
    Failed,
    Paused,
    Prepared,
    Saved,
    Started,
    Step,
    Validated,
    job_from,
    write_job,
)
from aquilon.training.report import energy_words
from aquilon.wording import duration_text


def started(step: int) -> Started:
    return Started(
        step=step,
        steps=100,
        parameters=1_500_000,
        trained_parameters=1_500_000,
        batch_tokens=1000,
        ranks=2,
        device="H100, bfloat16, 2 ranks",
        time=1000.0 + step,
    )


def step(number: int) -> Step:
    return Step(
        step=number,
        steps=100,
        loss=4.0 - 0.01 * number,
        learning_rate=0.01,
        gradient_norm=1.0,
        tokens=1000 * number,
        seconds=1.0,
        tokens_per_second=1000.0,
        utilization=0.415,
        joules=100.0 * number,
        time=1000.0 + number,
        data=number,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was killed after step 50, and resumed from step 40."""
    folder = tmp_path / "run"
    write_job(folder, job_from({"kind": "pretrain", "data": [{"path": "/a"}], "tokenizer": "/t"}, where=""))
    log = EventLog(folder)
    log.write(Prepared(bytes=2_000_000, total_bytes=2_000_000, documents=7, tokens=500_000, time=999.0))
    for first, last in ((0, 50), (40, 60)):
        log.write(started(first))
        for number in range(first + 1, last + 1):
            log.write(step(number))
    log.write(Validated(step=60, loss=3.5, bits_per_byte=1.25, time=1060.0))
    log.write(Saved(step=60, path="checkpoints/step-00000060", loss=3.4, time=1061.0))
    return folder


def test_steps_that_were_taken_again_count_once_in_the_curve_and_twice_in_time_and_energy(run: Path) -> None:
    history = History.of(run)
    assert [step.step for step in history.steps] == list(range(1, 61))
    assert history.seconds == 70
    assert history.joules == 100.0 * 50 + 100.0 * 60
    assert history.seconds_left(None) == pytest.approx(40)
    assert history.smoothed_loss == pytest.approx(3.55, abs=0.05)


def test_energy_that_no_machine_counted_is_an_estimate_and_says_so(tmp_path: Path) -> None:
    history = History()
    history.add(msgspec.structs.replace(started(0), device="cpu, 2 threads, float32", ranks=1))
    history.extend(msgspec.structs.replace(step(number), joules=None) for number in range(1, 31))  # an earlier version
    assert history.joules == 2 * 10 * 30
    history.add(msgspec.structs.replace(started(30), device="cpu, 2 threads, float32", ranks=1))
    history.add(msgspec.structs.replace(step(31), joules=20.0, joules_measured=False))
    assert history.joules == 620
    assert "about 620 J" in speed_words(history, None)
    assert energy_words(history) == (
        "about 620 J: an estimate for 20 W while it trained, since this machine doesn't measure it"
    )


def test_a_terminal_shows_losses_speed_energy_and_time_left(run: Path) -> None:
    with TerminalCommand(["train", "show", str(run), "--follow"], os.environ) as shown:
        screen = shown.wait_for("last checkpoint: step 60")
        assert shown.wait_for_end() == 0
    lines = screen.split("\n")
    for words in (
        "1.5M parameters   1,000 tokens a step   H100, bfloat16, 2 ranks   from step 40",
        "step 60 of 100   loss 3.4000   smoothed 3.5",
        "validation loss 3.5000   1.2500 bits per byte",
        "1,000 tokens/s   41.5 % MFU   11 kJ   40 s left",
        "█▇",
    ):
        assert any(words in line for line in lines)


def test_a_preference_runs_measures_have_a_line_and_no_phrase_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_job(folder, job_from({"kind": "dpo", "data": ["/pairs.jsonl"], "model": "/m", "lora": {}}, where=""))
    log = EventLog(folder)
    log.write(
        msgspec.structs.replace(
            started(0), parameters=75_300, trained_parameters=8_200, device="cpu, 2 threads, bfloat16", ranks=1
        )
    )
    rewards = {"accuracy": 0.5625, "margin": -0.0004, "chosen_reward": -0.25, "rejected_reward": -10.256}
    log.write(msgspec.structs.replace(step(1), metrics=rewards, joules=27.4, joules_measured=False))
    with TerminalCommand(["train", "show", str(folder), "--follow"], os.environ) as shown:
        screen = shown.wait_for("s left")
        assert shown.wait_for_end() == 0
    lines = [line.strip() for line in screen.split("\n")]
    for line in (
        "75.3K parameters, 8.2K of them trained   1,000 tokens a step",
        "cpu, 2 threads, bfloat16   from step 0",
        "step 1 of 100   loss 3.9900   smoothed 3.9900",
        "accuracy 0.562   margin 0.000   chosen reward -0.250   rejected reward -10.256",
        "1,000 tokens/s   41.5 % MFU   about 27 J   99 s left",
    ):
        assert line in lines


def test_a_run_says_what_to_do_next(run: Path, tmp_path: Path) -> None:
    def said() -> str:
        return run_aquilon(tmp_path, "train", "show", str(run)).out

    assert f"next          `aquilon train resume {run}` goes on" in said()  # it was killed
    EventLog(run).write(Paused(step=60, time=1062.0))
    assert f"next          `aquilon train resume {run}` goes on" in said()
    EventLog(run).write(Failed(code="not_finite", message="the loss is not a number", time=1063.0))
    assert f"next          `aquilon export {run} --out DIR` writes the last good checkpoint's model" in said()
    EventLog(run).write(Failed(code="unusable_data", message="the data has changed", time=1064.0))
    assert "next  " not in said()


def test_programs_get_every_event_and_the_state(run: Path, tmp_path: Path) -> None:
    followed = run_aquilon(tmp_path, "train", "show", str(run), "--follow", "--json")
    events = [json.loads(line) for line in followed.out.splitlines()]
    assert (events[0]["event"], events[-1]["event"], len(events)) == ("prepared", "saved", 1 + 51 + 21 + 2)
    state = json.loads(run_aquilon(tmp_path, "train", "show", str(run), "--json").out)
    assert (state["state"], state["step"], state["steps"], state["bits_per_byte"]) == ("interrupted", 60, 100, 1.25)
    assert state["job"]["tokenizer"] == "/t"


def test_a_failed_run_says_why(run: Path, tmp_path: Path) -> None:
    EventLog(run).write(Failed(code="not_finite", message="the loss of step 61 is not a number", time=1062.0))
    shown = run_aquilon(tmp_path, "train", "show", str(run)).out
    assert "failed" in shown
    assert "the loss of step 61 is not a number" in shown


def test_text_is_said_to_be_tokenized_when_the_last_byte_is() -> None:
    job = job_from({"kind": "pretrain", "data": [{"path": "/a"}], "tokenizer": "/t"}, where="")
    almost = Prepared(bytes=241_524, total_bytes=241_525, documents=2, tokens=65_159, time=1.0)
    whole = msgspec.structs.replace(almost, bytes=241_525)
    assert [prepared_words(done, job)[0] for done in (almost, whole)] == [
        "tokenizing: 99 % of 242 KB",
        "tokenizing: 100 % of 242 KB",
    ]


def test_curves_durations_and_energy_are_short() -> None:
    assert sparkline([1, 2, 3]) == "▁▅█"
    assert sparkline([5.0] * 100) == "▁" * 40
    assert sparkline([]) == ""
    assert [duration_text(seconds) for seconds in (0, 0.4, 12, 720, 12_000, 200_000)] == [
        "0 s",
        "under 1 s",
        "12 s",
        "12 min",
        "3 h 20 min",
        "2 days 7 h",
    ]
    amounts = [energy_text(joules, is_measured=True) for joules in (500, 12_000, 3_600_000)]
    assert amounts == ["500 J", "12 kJ", "1 kWh"]
    assert energy_text(500, is_measured=False) == "about 500 J"
