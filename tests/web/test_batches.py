"""Batch jobs over HTTP: both kinds of client, every outcome, and a server that is killed meanwhile."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from openai.types import Batch
from tests.support.batch_kills import kill_during_batch
from tests.support.polling import wait_until
from tests.support.server import RunningServer, prepare_home

MODEL = "smollm2-135m"
CHAT = "/v1/chat/completions"


def line(number: int, *, endpoint: str = CHAT, **body: Any) -> dict[str, Any]:
    question = {"model": MODEL, "messages": [{"role": "user", "content": f"Count from {number}"}], "max_tokens": 3}
    return {"custom_id": f"line-{number}", "method": "POST", "url": endpoint, "body": body or question}


def make(client: OpenAI, lines: list[dict[str, Any] | str], endpoint: str = CHAT) -> Batch:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    file = client.files.create(file=("lines.jsonl", text.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint=endpoint,  # type: ignore[arg-type]
        completion_window="24h",
        metadata={"night": "shift"},
    )


def ended(client: OpenAI, batch: Batch) -> Batch:
    def look() -> Batch | None:
        current = client.batches.retrieve(batch.id)
        return current if current.status in ("completed", "failed", "expired", "cancelled") else None

    batch_at_end = wait_until(look, seconds=60)
    assert batch_at_end is not None
    return batch_at_end


def results(client: OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    lines = [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
    return {line["custom_id"]: line for line in lines}


def test_openai_s_client_gets_an_answer_or_an_error_for_each_line(openai_client: OpenAI, server: RunningServer) -> None:
    lines: list[dict[str, Any] | str] = [line(number) for number in range(6)]
    lines += [
        line(6) | {"custom_id": "line-0"},
        line(7, model="nobody", messages=[{"role": "user", "content": "?"}]),
        line(8) | {"url": "/v1/elsewhere"},
        line(9) | {"method": "GET"},
        line(10, model=MODEL, messages=[{"role": "user", "content": "?"}], stream=True),
        line(11, model=MODEL),
        {"body": {}},
        "no JSON",
        "",
    ]
    created = make(openai_client, lines)
    assert (created.status, created.endpoint, created.metadata) == ("validating", CHAT, {"night": "shift"})
    batch = ended(openai_client, created)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (14, 6, 8)
    answers = results(openai_client, batch.output_file_id)
    assert set(answers) == {f"line-{number}" for number in range(6)}
    bodies = [answer["response"]["body"] for answer in answers.values()]
    assert all(body["choices"][0]["message"]["content"] for body in bodies)
    assert batch.usage is not None
    assert batch.usage.output_tokens == sum(body["usage"]["completion_tokens"] for body in bodies) == 18
    errors = results(openai_client, batch.error_file_id)
    codes = {
        id_: (error["error"] or {"code": error["response"]["status_code"]})["code"] for id_, error in errors.items()
    }
    assert codes == {
        "line-0": "duplicate_custom_id",
        "line-7": 404,
        "line-8": "mismatched_url",
        "line-9": "invalid_method",
        "line-10": "stream_not_allowed",
        "line-11": 400,
        None: "invalid_line",
    }
    with sqlite3.connect(server.home / "aquilon.db") as database:
        ids = {answer["id"] for answer in answers.values()}
        billed = database.execute("SELECT request_id FROM usage_events WHERE request_id LIKE 'batch_req_%'").fetchall()
        assert ids <= {row[0] for row in billed}
        remaining_lines = database.execute(
            "SELECT count(*) FROM batch_lines WHERE batch_id = ?", (batch.id,)
        ).fetchone()
    assert remaining_lines == (0,)
    assert batch.id in [listed.id for listed in openai_client.batches.list(limit=2)]
    with pytest.raises(openai.ConflictError, match="can't be cancelled any more"):
        openai_client.batches.cancel(batch.id)


def test_mistral_s_client_creates_batch_jobs_from_files_and_requests(mistral_client: Mistral) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    content = json.dumps({"custom_id": "a", "body": body}).encode()
    file = mistral_client.files.upload(file={"file_name": "in.jsonl", "content": content}, purpose="batch")
    jobs = [
        mistral_client.batch.jobs.create(
            endpoint="/v1/chat/completions", model=MODEL, input_files=[file.id, file.id], timeout_hours=2
        ),
        mistral_client.batch.jobs.create(
            endpoint="/v1/chat/completions", model=MODEL, requests=[{"custom_id": "b", "body": body}, {"body": body}]
        ),
    ]
    assert {job.status for job in jobs} <= {"QUEUED", "RUNNING"}
    for job, ids in zip(jobs, ([file.id], ["a"]), strict=True):
        done = wait_until(
            lambda job=job: (
                (current := mistral_client.batch.jobs.get(job_id=job.id, inline=True)).status == "SUCCESS" and current
            ),
            seconds=60,
        )
        assert (done.failed_requests, done.succeeded_requests) == (0, done.total_requests)
        assert [output["response"]["status_code"] for output in done.outputs] == [200] * done.total_requests
        assert done.input_files == ids or len(done.input_files) == 1
    listed = mistral_client.batch.jobs.list(model=MODEL, status=["SUCCESS"], created_by_me=True, page_size=100)
    assert {job.id for job in jobs} <= {job.id for job in listed.data or []}
    assert mistral_client.batch.jobs.delete(job_id=jobs[1].id).deleted


def test_batch_jobs_serve_other_endpoints_too(openai_client: OpenAI) -> None:
    bodies = {
        "/v1/completions": {"model": MODEL, "prompt": "One, two,", "max_tokens": 2},
        "/v1/responses": {"model": MODEL, "input": "Hello", "max_output_tokens": 16},
    }
    batches = {path: make(openai_client, [line(0, endpoint=path, **body)], path) for path, body in bodies.items()}
    for path, batch in batches.items():
        done = ended(openai_client, batch)
        answers = results(openai_client, done.output_file_id)
        assert answers["line-0"]["response"]["status_code"] == 200, path


def test_a_cancelled_job_keeps_finished_lines_and_reports_the_rest_as_cancelled(openai_client: OpenAI) -> None:
    long = {"model": MODEL, "messages": [{"role": "user", "content": "Go on"}], "max_tokens": 200, "ignore_eos": True}
    batch = make(openai_client, [line(0), *(line(number, **long) for number in range(1, 60))])
    wait_until(lambda: openai_client.batches.retrieve(batch.id).request_counts.completed, 60)  # type: ignore[union-attr]
    assert openai_client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    done = ended(openai_client, batch)
    assert done.status == "cancelled"
    assert done.cancelled_at is not None
    answers, errors = results(openai_client, done.output_file_id), results(openai_client, done.error_file_id)
    assert "line-0" in answers
    assert len(answers) + len(errors) == 60
    assert len(errors) > 30  # it ended long before all were answered
    assert {error["error"]["code"] for error in errors.values()} == {"batch_cancelled"}


def test_an_invalid_batch_job_is_refused_with_the_reason(openai_client: OpenAI, http: httpx.Client) -> None:
    with pytest.raises(openai.BadRequestError, match=r"can't ask '/v1/files'"):
        make(openai_client, [line(0)], "/v1/files")
    with pytest.raises(openai.NotFoundError, match="There is no file 'file-unknown'"):
        openai_client.batches.create(input_file_id="file-unknown", endpoint=CHAT, completion_window="24h")
    other = openai_client.files.create(file=("a.txt", b"x"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="upload it with the purpose 'batch'"):
        openai_client.batches.create(input_file_id=other.id, endpoint=CHAT, completion_window="24h")
    for body in ({"endpoint": CHAT}, {"endpoint": CHAT, "input_files": ["a"], "requests": [{"body": {}}]}):
        assert http.post("/v1/batch/jobs", json=body).status_code == 400
    empty = ended(openai_client, make(openai_client, ["", " "]))
    assert empty.status == "failed"
    assert empty.errors is not None
    assert empty.errors.data is not None
    assert empty.errors.data[0].message == "The input has no requests"


def test_a_file_can_t_be_deleted_while_a_job_reads_it(openai_client: OpenAI) -> None:
    long = {"model": MODEL, "messages": [{"role": "user", "content": "Go on"}], "max_tokens": 300, "ignore_eos": True}
    batch = make(openai_client, [line(number, **long) for number in range(20)])
    with pytest.raises(openai.ConflictError, match="still reads this file"):
        openai_client.files.delete(batch.input_file_id)
    openai_client.batches.cancel(batch.id)
    ended(openai_client, batch)
    openai_client.files.delete(batch.input_file_id)


@pytest.mark.slow
def test_kills_leave_every_line_recorded_and_billed_exactly_once(tmp_path: Path, default_model_file: Path) -> None:
    prepare_home(tmp_path, default_model_file)
    outcome = kill_during_batch(tmp_path, lines=100, kills=2)
    assert outcome.job["status"] == "completed"
    assert outcome.job["request_counts"] == {"total": 100, "completed": 99, "failed": 1}
    assert outcome.results == {f"line-{number}": 1 for number in range(100)}
    assert outcome.billed == outcome.answered
    assert len(outcome.billed) == 99
    assert outcome.total == (99, sum(outcome.costs))
    assert all(cost > 0 for cost in outcome.costs)
