"""Training from the command line: runs that begin, are interrupted, go on and end, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.test_train_display import started
from tests.support.commands import Outcome, run_aquilon
from tests.support.training_texts import write_corpus, write_tokenizer

from aquilon.cli.train.recipe import job_of, read_recipe
from aquilon.training.history import History
from aquilon.training.locking import holder
from aquilon.training.protocol import (
    EventLog,
    Pretrain,
    Size,
    Source,
    Started,
    Training,
    base_of,
    job_from,
    read_job,
    write_job,
)

RECIPE = """\
data = ["corpus.txt"]
tokenizer = "tokenizer"

[model]
depth = 1
context = 32

[training]
minutes = 10
batch_tokens = 128
checkpoint_steps = 20
precision = "float32"
"""


def train(folder: Path, *arguments: str) -> Outcome:
    return run_aquilon(folder, "train", *arguments, environment={"OMP_NUM_THREADS": "1"})


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe beside its text and tokenizer."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@contextmanager
def once(happened: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Acts beside what runs inside, as soon as it has happened."""

    def watch() -> None:
        end = time.monotonic() + 120
        while not happened():
            if time.monotonic() > end:
                return
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    thread.join()


def kill_training(run: Path) -> Callable[[], None]:
    def kill() -> None:
        process = holder(run)
        assert process is not None
        os.kill(process, signal.SIGKILL)

    return kill


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_is_killed_paused_and_finished_by_the_same_command(recipe: Path) -> None:
    folder = recipe.parent
    write_corpus(folder / "corpus.txt")
    write_tokenizer(folder / "tokenizer")
    run = folder / "run"
    command = ("pretrain", str(recipe), "--steps", "300", "--out", str(run))

    with once(lambda: len(History.of(run).saved) > 1, kill_training(run)):
        killed = train(folder, *command)
    assert killed.code == 1
    last = History.of(run).saved[-1].path
    assert "was killed (SIGKILL): most likely the machine's memory was full" in killed.err
    assert f"The last checkpoint is {last}. `aquilon train resume {run}` goes on" in killed.err
    assert json.loads(train(folder, "show", str(run), "--json").out)["state"] == "interrupted"

    step = History.of(run).step
    with once(lambda: History.of(run).step > step, lambda: os.kill(os.getpid(), signal.SIGINT)):
        paused = train(folder, *command)
    assert paused.code == 130
    assert "Pausing: a checkpoint is being written" in paused.err
    assert f"Paused after step {History.of(run).step}. `aquilon train resume {run}` goes on" in paused.err

    finished = train(folder, "resume", str(run), "--json")
    assert finished.code == 0
    events = [json.loads(line) for line in finished.out.splitlines()]
    assert events[0]["event"] in ("prepared", "started")
    assert events[-1]["event"] == "finished"
    assert [event["step"] for event in events if event["event"] == "step"][-1] == 300
    assert len([start for start in History.of(run).starts if isinstance(start, Started)]) == 3

    shown = train(folder, "show", str(run)).out
    assert "finished" in shown
    assert "300 of 300" in shown
    assert str(folder / "corpus.txt") in shown
    again = train(folder, *command)
    assert (again.code, again.out) == (0, "")
    assert "Finished after 300 steps" in again.err
    assert len(History.of(run).starts) == 3, "it isn't trained anew"

    other = train(folder, *command, "--seed", "1", "--depth", "2")
    assert other.code == 2
    assert "model.depth was 1 and is now 2, training.seed was 0 and is now 1" in other.err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_while_several_ranks_wait_for_their_data_ends_them_all(recipe: Path) -> None:
    folder, run = recipe.parent, recipe.parent / "run"
    text = write_corpus(folder / "corpus.txt", words=200_000).read_text()
    (folder / "corpus.txt").write_text(f"{text}\n" * 30)
    write_tokenizer(folder / "tokenizer")
    with once(lambda: History.of(run).prepared is not None, lambda: os.kill(os.getpid(), signal.SIGINT)):
        stopped = train(folder, "pretrain", str(recipe), "--ranks", "2", "--out", str(run))
    assert stopped.code == 130
    assert "Stopping before the first step" in stopped.err
    assert f"Paused before the first step. `aquilon train resume {run}` goes on" in stopped.err
    assert not (run / "data" / "source-0").exists(), "the text was tokenized to its end before the interrupt counted"
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if os.fsencode(run) in command]


def test_a_recipe_says_all_of_a_job_and_options_override_it(recipe: Path) -> None:
    """The text isn't there, so that the process ends at once; its job is written."""
    folder = recipe.parent
    outcome = train(folder, "pretrain", str(recipe), "--steps", "5", "--depth", "3", "--out", str(folder / "run"))
    assert outcome.code == 2
    assert f"{folder / 'tokenizer'} holds no tokenizer.json: `aquilon train tokenizer` makes one" in outcome.err
    assert read_job(folder / "run") == Pretrain(
        data=[Source(path=str(folder / "corpus.txt"))],
        tokenizer=str(folder / "tokenizer"),
        model=Size(depth=3, context=32),
        training=Training(steps=5, batch_tokens=128, checkpoint_steps=20, precision="float32"),
    )


def test_a_run_may_be_what_the_next_one_begins_with(tmp_path: Path) -> None:
    write_job(tmp_path / "first", Pretrain(data=[Source(path="a")], tokenizer="b"))
    (tmp_path / "first" / "model").mkdir()
    job = job_of({"kind": "sft", "data": ["a"]}, {"model": str(tmp_path / "first")}, where="the command")
    assert base_of(job) == str(tmp_path / "first" / "model")


@pytest.mark.parametrize(
    ("written", "instead", "problem"),
    [
        ("batch_tokens", "batch_token", "'batch_token' in training is unknown: did you mean 'batch_tokens'?"),
        ("tokenizer =", "tokeniser =", "'tokeniser' is unknown: did you mean 'tokenizer'?"),
        ("depth = 1", "depth = 0", "model.depth is 0: it must be above 0"),
        ("depth = 1", "depth = ", "is no TOML"),
        ('data = ["corpus.txt"]', "data = []", "data is empty: name at least one file or folder"),
        ("minutes = 10", "minutes = 10\nsteps = 5", "steps and minutes are both given"),
        ('data = ["corpus.txt"]', 'kind = "sft"\ndata = []', "`aquilon train sft` takes it"),
    ],
)
def test_a_wrong_recipe_is_refused(written: str, instead: str, problem: str, recipe: Path) -> None:
    recipe.write_text(RECIPE.replace(written, instead))
    outcome = train(recipe.parent, "pretrain", str(recipe), "--out", str(recipe.parent / "run"))
    assert outcome.code == 2
    assert problem in outcome.err
    assert str(recipe) in outcome.err
    assert not (recipe.parent / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "there is nothing to train on: name a recipe, or text with --data and a --tokenizer"),
        (("a.txt",), "a.txt is no recipe, whose name ends in .toml: --data a.txt names it as text"),
        (("a.toml", "b.toml"), "a.toml and b.toml are two recipes: a run has one"),
        (("missing.toml",), "there is no recipe missing.toml"),
        (("--data", "a.txt"), "neither a tokenizer nor a base is given"),
    ],
)
def test_a_command_that_names_no_job_is_refused(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    outcome = train(tmp_path, "pretrain", *arguments, "--out", str(tmp_path / "run"))
    assert outcome.code == 2
    assert problem in outcome.err


def test_a_command_can_be_corrected_before_its_run_trains(tmp_path: Path) -> None:
    """Files after ``--data`` are sources too, as a shell writes ``--data *.txt``."""
    write_job(tmp_path / "run", job_from({"kind": "pretrain", "data": [{"path": "/a"}], "tokenizer": "/b"}, where=""))
    arguments = ("--data", f"{tmp_path}/a.txt", f"{tmp_path}/b.txt", "--tokenizer", f"{tmp_path}/t", "--out")
    assert train(tmp_path, "pretrain", *arguments, f"{tmp_path}/run").code == 2, "there is no tokenizer"
    job = read_job(tmp_path / "run")
    assert isinstance(job, Pretrain)
    assert [Path(source.path).name for source in job.data] == ["a.txt", "b.txt"]


def test_a_folder_that_is_no_run_is_neither_overwritten_nor_shown(recipe: Path) -> None:
    folder = recipe.parent
    outcome = train(folder, "pretrain", str(recipe), "--out", str(folder))
    assert outcome.code == 2
    assert f"{folder} holds something else than a run" in outcome.err
    for command in ("show", "resume"):
        refused = train(folder, command, str(folder))
        assert (refused.code, refused.err) == (2, f"aquilon: {folder} is no run: it holds no job.json\n")


def test_a_run_that_has_not_begun_can_be_shown(tmp_path: Path) -> None:
    write_job(tmp_path, job_from({"kind": "pretrain", "data": [{"path": "a"}], "tokenizer": "b"}, where=""))
    assert "not begun" in train(tmp_path, "show", str(tmp_path)).out
    assert json.loads(train(tmp_path, "show", str(tmp_path), "--json").out)["step"] == 0


def test_a_changed_weight_of_a_mixture_is_refused_by_its_place(tmp_path: Path) -> None:
    sources = '[[data]]\npath = "a.txt"\nweight = 3.0\n[[data]]\npath = "b.txt"\nweight = 1.0\n'
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(f'tokenizer = "tokenizer"\n{sources}')
    write_job(run, job_of(read_recipe(recipe, "pretrain"), {}, where="recipe.toml"))
    EventLog(run).write(started(0))
    recipe.write_text(f'tokenizer = "tokenizer"\n{sources.replace("3.0", "2.0")}')
    refused = train(tmp_path, "pretrain", str(recipe), "--out", str(run))
    assert refused.code == 2
    assert (
        f"{run} was begun with another job, so it doesn't go on: data[0].weight was 3.0 and is now 2.0." in refused.err
    )
