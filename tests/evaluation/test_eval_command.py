"""``aquilon eval`` from the command line to its results."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from tests.support.commands import run_aquilon
from tests.support.prepared import python_with_torch
from tests.support.server import RunningServer
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore
from aquilon.cli.evaluations import ProgressLines
from aquilon.evaluation import job
from aquilon.evaluation.protocol import (
    UNUSABLE,
    EventReader,
    Failed,
    LocalCandidate,
    Order,
    Progress,
    RemoteCandidate,
    read_evaluation,
    write_order,
)
from aquilon.evaluation.scorecard import read_scorecard
from aquilon.evaluation.tasks import AnswerTask, TextFile, TextTask
from aquilon.training.protocol import Pretrain, Source, write_job


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models, one of them a run's, and something to measure."""
    write_checkpoint(tmp_path / "first", tiny_checkpoint(0))
    write_job(tmp_path / "run", Pretrain(data=[Source(path="x")], tokenizer="x"))
    write_checkpoint(tmp_path / "run" / "model", tiny_checkpoint(1))
    (tmp_path / "fr.txt").write_text("Le vent souffle. " * 20)
    lines = [{"question": f"{n} + 1 =", "answer": str(n + 1)} for n in range(3)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


@pytest.mark.slow
def test_two_models_are_measured_compared_and_kept(folder: Path) -> None:
    arguments = ["eval", str(folder / "first"), str(folder / "run"), "--task", "bpb", "--data", str(folder / "fr.txt")]
    arguments += ["--task", str(folder / "sums.jsonl"), "--seeds", "2", "--temperature", "1", "--max-tokens", "4"]
    outcome = run_aquilon(folder, *arguments, "--json", "--out", str(folder / "out"))
    assert (outcome.code, outcome.err) == (0, "")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    kinds = [next(iter(line)) for line in lines]
    assert kinds == ["evaluation"] * 4 + ["comparison"] * 2
    assert [line["evaluation"]["task"] for line in lines[:4]] == ["bpb", "sums"] * 2

    kept = {path.name: read_evaluation(path) for path in (folder / "run" / "evaluations").iterdir()}
    assert sorted(kept) == ["bpb.json", "sums.json"]
    assert len(list((folder / "out").iterdir())) == 4
    sums = kept["sums.json"]
    assert [len(record.scores) for record in sums.records] == [2, 2, 2]  # type: ignore[union-attr]
    assert sums.settings["prompts"] == "chat"
    sampling = sums.settings["sampling"]
    assert isinstance(sampling, dict)
    assert (sampling["seeds"], sampling["temperature"]) == ([0, 1], 1.0)


@pytest.mark.slow
def test_what_was_measured_before_a_failure_is_shown_and_kept(folder: Path) -> None:
    (folder / "empty").mkdir()
    models = [str(folder / "run"), str(folder / "empty")]
    outcome = run_aquilon(folder, "eval", *models, "--task", "bpb", "--data", str(folder / "fr.txt"))
    assert outcome.code == 1
    assert "bits_per_byte" in outcome.out
    assert outcome.err.startswith(f"aquilon: {folder / 'empty'}: holds no model")
    assert [path.name for path in (folder / "run" / "evaluations").iterdir()] == ["bpb.json"]


def test_a_scorecard_is_kept_with_the_model_and_shown_in_its_card(server: RunningServer, folder: Path) -> None:
    pull(str(folder / "first"), ModelStore(server.home / "models"), name="measured")
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.api_key}"}) as http:
        assert http.get("/v1/models/measured").json()["scorecard"] is None
        outcome = run_aquilon(server.home, "eval", "measured", "--scorecard", "--data", str(folder / "fr.txt"))
        assert outcome.code == 0, outcome
        assert "bits_per_byte" in outcome.out
        card = http.get("/v1/models/measured").json()["scorecard"]
    stored = read_scorecard(server.home / "models" / "measured")
    assert stored is not None
    [french] = card["languages"]
    assert french["language"] == "fr"
    assert french["bits_per_byte"]["value"] == stored.languages[0].bits_per_byte.value  # type: ignore[union-attr]
    ModelStore(server.home / "models").remove("measured")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["first"], 2, "name at least one task"),
        (["--task", "bpb"], 2, "name at least one model or run"),
        (["first", "--task", "mgsm-frr"], 1, "did you mean 'mgsm-fr'?"),
        (["first", "--task", "bpb"], 2, "bpb needs text"),
        (["./none", "--task", "bpb", "--data", "fr.txt"], 1, "./none does not exist"),
        (["first", "--task", "bpb", "--data", "fr.txt", "--seeds", "3"], 2, "need a --temperature above 0"),
        (["first", "--task", "bpb", "--data", "fr.txt", "--bytes", "much"], 2, "is not a size"),
        (["first", "--task", "bpb", "--data", "fr.txt", "--precision", "half"], 2, "Invalid enum value 'half'"),
        (["--url", "http://x/v1", "--task", "gsm8k"], 2, "name a model at this address"),
        (["--url", "x", "--model", "m", "--task", "gsm8k"], 2, "must begin with http"),
        (["first", "--model", "m", "--task", "gsm8k"], 2, "need --url"),
        (["first", "--scorecard"], 2, "there is nothing to measure"),
    ],
)
def test_wrong_usage_says_what_would_be_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(folder)
    outcome = run_aquilon(folder, "eval", *arguments)
    assert outcome.code == code, outcome
    assert message in " ".join(outcome.err.replace("│", " ").split())


def test_the_process_ends_with_2_and_the_place_in_data_that_cant_be_read(folder: Path) -> None:
    path = folder / "bad.jsonl"
    path.write_text('{"text": "ok"}\n{"txt": "no"}\n')
    candidate = LocalCandidate(name="first", path=str(folder / "first"))
    write_order(folder, Order(candidates=[candidate], tasks=[TextTask(files=[TextFile(path=str(path))])]))
    assert job.main(folder) == UNUSABLE
    failed = list(EventReader(folder))[-1]
    assert isinstance(failed, Failed)
    assert failed.message == f"{path}, line 2: has no text in its field 'text'; its other fields are txt"


def test_a_log_gets_a_line_a_minute_with_the_time_that_is_left() -> None:
    written, times = io.StringIO(), iter([0.0, 30.0, 59.0, 90.0, 100.0, 290.0])
    lines = ProgressLines(Console(file=written, soft_wrap=True), clock=times.__next__)
    for done in (0, 290, 600, 700, 2600):
        lines.show(Progress(model="runs/[nano]", task="bpb", done=done, total=4000))
    assert written.getvalue().splitlines() == [
        "runs/[nano]: bpb, 15 %, 6 min left",
        "runs/[nano]: bpb, 65 %, 2 min left",
    ]


def test_a_terminal_gets_no_such_lines() -> None:
    written, times = io.StringIO(), iter([0.0, 1.0, 1000.0])
    lines = ProgressLines(Console(file=written, force_terminal=True), clock=times.__next__)
    for done in (0, 1000):
        lines.show(Progress(model="nano", task="bpb", done=done, total=4000))
    assert written.getvalue() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says when a process ends")
def test_measuring_ends_with_the_command_that_started_it_though_a_model_never_answers(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, subprocess.Popen(["cat"], stdin=subprocess.PIPE) as command:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        task = AnswerTask(name="sums", data=str(folder / "sums.jsonl"))
        write_order(folder, Order(candidates=[RemoteCandidate(name="mute", url=url)], tasks=[task]))
        process = subprocess.Popen(
            [python_with_torch(), "-P", "-m", "aquilon.evaluation.job", str(folder)],
            env=os.environ | {"AQUILON_STARTED_BY": str(command.pid)},
        )
        silent.settimeout(60)
        with silent.accept()[0]:
            command.kill()
            assert process.wait(60) == -signal.SIGKILL
