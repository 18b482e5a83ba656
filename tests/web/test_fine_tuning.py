"""Fine-tuning jobs over HTTP, with OpenAI's and Mistral's clients, up to an answer of the result."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.checkpoints import opening

CAN_TRAIN = importlib.util.find_spec("aquilon.training.fine_tuning") is not None
SERVES_ADAPTERS = "adapter" in Path(opening.__file__).read_text()
TRAINED = ("succeeded", "failed", "cancelled")


def example(number: int) -> dict[str, Any]:
    question = {"role": "user", "content": f"What is {number} and one?"}
    return {"messages": [question, {"role": "assistant", "content": f"It is {number + 1}."}]}


LINES = "\n".join(json.dumps(example(number)) for number in range(24))


@pytest.fixture(scope="module")
def server(tiny_server: RunningServer) -> RunningServer:
    return tiny_server


@pytest.fixture(scope="module")
def training_file(openai_client: OpenAI) -> str:
    return openai_client.files.create(file=("train.jsonl", LINES.encode()), purpose="fine-tune").id


def created(client: OpenAI, training_file: str, **values: Any) -> FineTuningJob:
    return client.fine_tuning.jobs.create(**{"model": "tiny", "training_file": training_file, **values})


def waiting(http: httpx.Client, training_file: str, **values: Any) -> dict[str, Any]:
    """A job in Mistral's shape, validated and not started."""
    body = {"model": "tiny", "training_files": [{"file_id": training_file, "weight": 1}], "auto_start": False}
    numbers = {"hyperparameters": {"training_steps": 2, "learning_rate": 1e-4}}
    job = http.post("/v1/fine_tuning/jobs", json=body | numbers | values).raise_for_status().json()
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    return wait_until(lambda: (now := http.get(path).json())["status"] == "VALIDATED" and now, seconds=60)  # type: ignore[return-value]


def test_mistral_s_former_contract(http: httpx.Client, training_file: str) -> None:
    job = waiting(http, training_file, suffix="numbers")
    assert (job["object"], job["job_type"], job["model"], job["suffix"]) == ("job", "completion", "tiny", "numbers")
    assert (job["training_files"], job["fine_tuned_model"]) == ([training_file], None)
    assert job["hyperparameters"]["training_steps"] == 2
    assert job["metadata"]["cost_currency"] == "EUR"
    assert job["metadata"]["cost"] == 0
    assert any("Files validated" in event["data"]["message"] for event in job["events"])
    assert job["checkpoints"] == []
    query = {"page": 0, "page_size": 5, "suffix": "numbers", "status": "VALIDATED"}
    listed = http.get("/v1/fine_tuning/jobs", params=query).json()
    assert (listed["object"], listed["total"], [one["id"] for one in listed["data"]]) == ("list", 1, [job["id"]])
    path = f"/v1/fine_tuning/jobs/{job['id']}"
    assert http.post(f"{path}/cancel").json()["status"] == "CANCELLED"
    refused = http.post(f"{path}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_started")
    assert http.delete(path).json() == {"id": job["id"], "object": "fine_tuning.job.deleted", "deleted": True}


def test_a_dry_run_estimates_the_price_and_creates_nothing(http: httpx.Client, training_file: str) -> None:
    body = {"model": "tiny", "training_files": [training_file], "hyperparameters": {"epochs": 2}}
    before = http.get("/v1/fine_tuning/jobs", params={"page": 0}).json()["total"]
    answer = http.post("/v1/fine_tuning/jobs", params={"dry_run": True}, json=body).json()
    assert (answer["object"], answer["cost"], answer["cost_currency"]) == ("job.metadata", 0, "EUR")
    assert answer["train_tokens"] > 0
    assert answer["training_steps"] > 0
    assert http.get("/v1/fine_tuning/jobs", params={"page": 0}).json()["total"] == before


def test_openai_s_client_reads_a_job_its_events_and_its_lists(
    openai_client: OpenAI, http: httpx.Client, training_file: str
) -> None:
    job = waiting(http, training_file, metadata={"team": "tea"})
    read = openai_client.fine_tuning.jobs.retrieve(job["id"])
    assert (read.object, read.status, read.model, read.training_file) == (
        "fine_tuning.job",
        "queued",
        "tiny",
        training_file,
    )
    jobs = openai_client.fine_tuning.jobs
    assert [one.id for one in jobs.list(metadata={"team": "tea"})] == [job["id"]]
    assert [one.id for one in jobs.list(metadata={"team": "coffee"})] == []
    first = jobs.list_events(job["id"], limit=1)
    assert first.has_more
    messages = [event.message for event in jobs.list_events(job["id"], limit=1)]
    assert messages[0].startswith("Files validated: 24 examples")
    assert messages[-1] == f"Created fine-tuning job: {job['id']}"
    assert list(jobs.checkpoints.list(job["id"])) == []
    assert jobs.cancel(job["id"]).status == "cancelled"
    with http.stream("GET", f"/v1/fine_tuning/jobs/{job['id']}/events", params={"stream": "true"}) as stream:
        frames = [line.removeprefix("data: ") for line in stream.iter_lines() if line]
    assert frames[-1] == "[DONE]"
    assert [json.loads(frame)["message"] for frame in frames[:-1]] == ["Cancelled", *messages][::-1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "nobody"}, "does not exist"),
        ({"training_file": "file_nothing"}, "There is no file"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "sends metrics nowhere"),
        ({"method": {"type": "reinforcement", "reinforcement": {"grader": {}}}}, "graders judge answers"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs is 51; it must be 1 to 50"),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"batch_size": 0}}}}, "it must be 1 to"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 9}}}}, "beta is 9; it must be 0.001 to 2"),
        ({"suffix": "a b"}, "letters, digits"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:20],
)
def test_what_can_t_be_done_is_refused_with_the_reason(
    openai_client: OpenAI, training_file: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(openai.APIStatusError, match=message) as refusal:
        created(openai_client, **{"training_file": training_file, **values})
    assert refusal.value.status_code in (400, 404)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"job_type": "classifier"}, "classifiers are not supported"),
        ({"training_files": [{"file_id": "FILE", "weight": 2}]}, "weight 1"),
        ({"invalid_sample_skip_percentage": 0.1}, "Invalid lines aren't skipped"),
        ({"hyperparameters": {"fim_ratio": 0.9}}, "fim_ratio must be 0"),
        ({"hyperparameters": {"training_steps": 2, "epochs": 1}}, "one of them says"),
        ({"hyperparameters": {"training_steps": 0}}, "greater than or equal to 1"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[:20],
)
def test_mistral_s_fields_that_have_no_counterpart_are_refused(
    http: httpx.Client, training_file: str, values: dict[str, Any], message: str
) -> None:
    body = {"model": "tiny", "training_files": [training_file], **values}
    answer = http.post("/v1/fine_tuning/jobs", json=json.loads(json.dumps(body).replace("FILE", training_file)))
    assert answer.status_code in (400, 422)
    assert message in answer.text


def test_files_for_something_else_and_checkpoint_permissions_are_refused(openai_client: OpenAI) -> None:
    file = openai_client.files.create(file=("b.jsonl", b"{}"), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="upload it with the purpose 'fine-tune'"):
        created(openai_client, file.id)
    with pytest.raises(openai.BadRequestError, match="Checkpoints have no permissions"):
        openai_client.fine_tuning.checkpoints.permissions.list("ft:tiny:house::1:ckpt-step-1")
    with pytest.raises(openai.NotFoundError):
        openai_client.models.delete("ft:tiny:house::1")


def test_a_key_without_the_scope_for_jobs_may_not_train(server: RunningServer, training_file: str) -> None:
    secret = aquilon(server.home, "keys", "create", "--name", "asks", "--scope", "inference", "--scope", "files")
    with OpenAI(base_url=f"{server.url}/v1", api_key=secret, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError, match="not for batch"):
            created(client, training_file)
        with pytest.raises(openai.PermissionDeniedError, match="not for batch"):
            client.fine_tuning.jobs.list()


def training_process(home: Path, job_id: str) -> int | None:
    lock = home / "fine-tuning" / "runs" / job_id / "lock"
    words = lock.read_text().split() if lock.exists() else []
    return int(words[0]) if words and Path(f"/proc/{words[0]}").exists() else None


@pytest.mark.skipif(not CAN_TRAIN, reason="the training process doesn't fine-tune yet")
@pytest.mark.slow
def test_a_job_that_is_killed_twice_ends_with_a_model_that_answers(
    server: RunningServer, openai_client: OpenAI, mistral_client: Mistral, training_file: str
) -> None:
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 20, "batch_size": 2}}}
    job = created(openai_client, training_file, method=method, suffix="plus-one", seed=1)
    killed = 0

    def look() -> FineTuningJob | None:
        nonlocal killed
        now = openai_client.fine_tuning.jobs.retrieve(job.id)
        pid = training_process(server.home, job.id)
        if killed < 2 and pid is not None and (now.step or 0) > 3 * killed:  # type: ignore[attr-defined]
            os.kill(pid, signal.SIGKILL)
            killed += 1
        return now if now.status in TRAINED else None

    ended = wait_until(look, seconds=120)
    assert ended is not None
    assert (ended.status, ended.error, killed) == ("succeeded", None, 2)
    name = ended.fine_tuned_model or ""
    assert name == f"ft:tiny:example-house:plus-one:{job.id[-8:]}"
    steps = [
        event.data["step"]  # type: ignore[index]
        for event in openai_client.fine_tuning.jobs.list_events(job.id, limit=100)
        if event.type == "metrics" and "train_loss" in event.data  # type: ignore[operator]
    ]
    assert steps == sorted(set(steps), reverse=True)
    losses = openai_client.files.content(ended.result_files[0]).text.splitlines()
    assert losses[0] == "step,train_loss,train_accuracy,valid_loss,valid_accuracy"
    assert len(losses) == len(steps) + 1
    assert next(iter(openai_client.fine_tuning.jobs.checkpoints.list(job.id))).metrics.train_loss
    card = openai_client.models.retrieve(name)
    assert card.owned_by == ended.organization_id
    kinds = {one.id: one.type for one in mistral_client.models.list().data or []}
    assert (kinds["tiny"], kinds[name]) == ("base", "fine-tuned")
    other = aquilon(server.home, "orgs", "create", "others", "--owner", "olga")
    assert other
    key = aquilon(server.home, "keys", "create", "--name", "k", "--org", "others")
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as stranger:
        assert name not in [one.id for one in stranger.models.list()]
        with pytest.raises(openai.NotFoundError):
            stranger.chat.completions.create(model=name, messages=[{"role": "user", "content": "?"}])
        with pytest.raises(openai.NotFoundError):
            stranger.models.delete(name)
    if SERVES_ADAPTERS:
        answer = openai_client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "What is 3 and one?"}], max_tokens=8
        )
        assert answer.choices[0].message.content
        assert answer.usage is not None
        same = mistral_client.chat.complete(model=name, messages=[{"role": "user", "content": "Hello"}], max_tokens=4)
        assert same.model == name
    changed: Any = mistral_client.models.update(model_id=name, name="Plus one", description="Adds one")
    assert (changed.id, changed.name, changed.root, changed.job) == (name, "Plus one", "tiny", job.id)
    assert mistral_client.models.archive(model_id=name).archived
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve(name)
    assert not mistral_client.models.unarchive(model_id=name).archived
    deleted = openai_client.files.delete(training_file)
    assert deleted.fine_tuned_models == [name]  # type: ignore[attr-defined]
    assert openai_client.models.delete(name).deleted
    assert name not in [one.id for one in openai_client.models.list()]
    assert list((server.home / "fine-tuning" / "models").iterdir()) == []
