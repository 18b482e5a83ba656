"""Models that fine-tuning jobs made, over a server that is killed meanwhile, up to what a model of the house can do."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob
from tests.support.commands import aquilon, run_aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model

pytestmark = pytest.mark.slow

ENVIRONMENT = {"AQUILON_MODELS": "tiny"}
ENDED = ("succeeded", "failed", "cancelled")
CENTS = 7
"""The price of a million trained tokens."""


def question(number: int) -> dict[str, str]:
    return {"role": "user", "content": f"What is {number} and one?"}


def answer(number: int) -> dict[str, str]:
    return {"role": "assistant", "content": f"It is {number}."}


EXAMPLES = [{"messages": [question(number), answer(number + 1)]} for number in range(24)]
PAIRS = [
    {
        "input": {"messages": [question(number)]},
        "preferred_output": [answer(number + 1)],
        "non_preferred_output": [answer(number)],
    }
    for number in range(8)
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, str]]:
    """A server that follows on one which was killed while it trained, and the id of the job."""
    home = tmp_path_factory.mktemp("tuned")
    store_model(home / "models", "tiny")
    first = start_server(home, environment=ENVIRONMENT)
    aquilon(home, "prices", "set", "tiny", "--prompt", "0", "--completion", "0", "--training", f"0.0{CENTS}")
    with client_of(first) as client:
        job = trained_on(client, EXAMPLES, "supervised", n_epochs=20, batch_size=2)
        wait_until(lambda: (step_of(client, job) or 0) > 5, seconds=120)
        os.kill(first.pid, signal.SIGKILL)
        first.process.wait()
    server = start_server(home, environment=ENVIRONMENT)
    yield replace(server, api_key=first.api_key), job
    server.stop()


@pytest.fixture(scope="module")
def server(killed: tuple[RunningServer, str]) -> RunningServer:
    return killed[0]


@pytest.fixture(scope="module")
def tuned(openai_client: OpenAI, killed: tuple[RunningServer, str]) -> FineTuningJob:
    """The job that outlived its server."""
    return ended(openai_client, killed[1])


def client_of(server: RunningServer, key: str | None = None) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=key or server.api_key, max_retries=0)


def trained_on(client: OpenAI, lines: list[Any], kind: str, **hyperparameters: Any) -> str:
    """The id of a new job."""
    text = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("train.jsonl", text), purpose="fine-tune")
    method: Any = {"type": kind, kind: {"hyperparameters": hyperparameters}}
    return client.fine_tuning.jobs.create(model="tiny", training_file=file.id, method=method, suffix=kind, seed=1).id


def step_of(client: OpenAI, job: str) -> int | None:
    return client.fine_tuning.jobs.retrieve(job).step  # type: ignore[attr-defined,no-any-return]


def ended(client: OpenAI, job: str) -> FineTuningJob:
    def look() -> FineTuningJob | None:
        now = client.fine_tuning.jobs.retrieve(job)
        return now if now.status in ENDED else None

    now = wait_until(look, seconds=180)
    assert now is not None
    assert (now.status, now.error) == ("succeeded", None)
    return now


def paid(home: Path, job: str) -> list[tuple[int, int, str]]:
    """Tokens, cost and outcome of each usage event of a job."""
    with sqlite3.connect(home / "aquilon.db") as database:
        query = "SELECT prompt_tokens, cost, outcome FROM usage_events WHERE request_id = ?"
        return database.execute(query, (job,)).fetchall()


def model_that_answers(client: OpenAI, name: str) -> str:
    asked: Any = [question(3)]
    said = client.chat.completions.create(model=name, messages=asked, max_tokens=4)
    assert said.usage is not None
    assert said.usage.completion_tokens > 0
    return said.model


def test_a_job_goes_on_after_its_server_was_killed_and_is_paid_once(
    server: RunningServer, openai_client: OpenAI, tuned: FineTuningJob
) -> None:
    events = list(openai_client.fine_tuning.jobs.list_events(tuned.id, limit=100))
    steps = [int(event.data["step"]) for event in events if event.type == "metrics"]  # type: ignore[index,call-overload]
    assert sorted(steps) == list(range(1, 241))
    assert any("goes on after step" in event.message for event in events)
    tokens = min(tuned.trained_tokens or 0, tuned.estimated_tokens)  # type: ignore[attr-defined]  # which is the most
    assert paid(server.home, tuned.id) == [(tokens, CENTS * tokens, "completed")]
    assert model_that_answers(openai_client, tuned.fine_tuned_model or "") == tuned.fine_tuned_model


def test_preferences_are_learnt_from_upload_to_an_answer(server: RunningServer, openai_client: OpenAI) -> None:
    job = ended(openai_client, trained_on(openai_client, PAIRS, "dpo", n_epochs=3, batch_size=4, beta=0.2))
    assert job.method is not None
    assert job.method.dpo is not None
    assert job.method.dpo.hyperparameters is not None
    assert job.method.dpo.hyperparameters.beta == 0.2
    last = next(event for event in openai_client.fine_tuning.jobs.list_events(job.id) if event.type == "metrics")
    assert {"train_loss", "train_accuracy", "train_margin"} <= set(last.data)  # type: ignore[call-overload]
    [(tokens, cost, outcome)] = paid(server.home, job.id)
    assert (cost, outcome) == (CENTS * tokens, "completed")
    assert model_that_answers(openai_client, job.fine_tuned_model or "") == job.fine_tuned_model


def test_an_alias_a_share_of_the_traffic_and_a_roll_back(
    server: RunningServer, openai_client: OpenAI, tuned: FineTuningJob
) -> None:
    """And another organization never gets a model that isn't its own."""
    home, name = server.home, tuned.fine_tuned_model or ""
    keys = [aquilon(home, "keys", "create", "--name", f"k{number}") for number in range(4)]
    aquilon(home, "orgs", "create", "others", "--owner", "olga")
    others = [aquilon(home, "keys", "create", "--name", f"o{number}", "--org", "others") for number in range(4)]

    def answering(keys: list[str]) -> set[str]:
        models = set()
        for key in keys:
            with client_of(server, key) as client:
                models.add(model_that_answers(client, "house"))
        return models

    aquilon(home, "aliases", "set", "house", "tiny", "--share", f"{name}:99")
    assert name in answering(keys)
    assert answering(others) == {"tiny"}
    assert aquilon(home, "aliases", "rollback", "house") == "house stands for tiny"
    assert answering(keys) == {"tiny"}
    aquilon(home, "aliases", "set", "house", name)
    assert answering(keys) == {name}
    with client_of(server, others[0]) as stranger, pytest.raises(openai.NotFoundError):
        model_that_answers(stranger, "house")
    assert openai_client.models.retrieve(name).aliases == ["house"]  # type: ignore[attr-defined]
    with pytest.raises(openai.ConflictError, match="The alias 'house' stands for"):
        openai_client.models.delete(name)
    assert aquilon(home, "aliases", "rollback", "house") == "house stands for tiny"
    assert answering(keys) == {"tiny"}
    assert openai_client.models.delete(name).deleted
    with pytest.raises(openai.NotFoundError):
        model_that_answers(openai_client, name)
    gone = run_aquilon(home, "aliases", "set", "house", name)
    assert (gone.code, f"There is no model '{name}'" in gone.err) == (1, True)
