"""Every answer of the real server is recorded and billed once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI, RateLimitError
from tests.support.kills import kill_under_load, recorded
from tests.support.polling import wait_until
from tests.support.server import RunningServer, prepare_home

from aquilon.money.prices import Price
from aquilon.money.store import budgets, prices
from aquilon.people import first_run as operator
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys
from aquilon.settings import Settings
from aquilon.storage import Database

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "Tell a long story about a lighthouse."}]


@pytest.fixture(scope="module")
def server(own_server: RunningServer) -> RunningServer:
    return own_server


def event(server: RunningServer, request_id: str) -> dict[str, Any] | None:
    with sqlite3.connect(server.home / "aquilon.db") as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT * FROM usage_events WHERE request_id = ?", (request_id,)).fetchone()
    return None if row is None else dict(row)


def late_event(server: RunningServer, request_id: str) -> dict[str, Any]:
    """The row, which may be written after the client has disconnected."""
    row = wait_until(lambda: event(server, request_id))
    assert row is not None
    return row


def test_an_answer_is_recorded_under_its_id(server: RunningServer, openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=5)
    row = event(server, answer.id)
    assert row is not None
    assert answer.usage is not None
    assert (row["prompt_tokens"], row["completion_tokens"]) == (answer.usage.prompt_tokens, 5)
    assert (row["model"], row["outcome"]) == (MODEL, "completed")
    assert row["organization_id"].startswith("org_")
    assert row["workspace_id"].startswith("workspace_")
    assert row["api_key_id"].startswith("key_")
    assert 0 < row["first_token_ms"] <= row["latency_ms"]


def test_a_stream_is_recorded_before_its_finish_reason_is_sent(server: RunningServer, openai_client: OpenAI) -> None:
    stream = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=5, stream=True)
    for chunk in stream:
        if chunk.choices[0].finish_reason is not None:
            row = event(server, chunk.id)
            assert row is not None
            assert chunk.usage is not None
            assert row["completion_tokens"] == chunk.usage.completion_tokens == 5
            break
    stream.close()


def test_several_prompts_are_one_usage_event(server: RunningServer, openai_client: OpenAI) -> None:
    answer = openai_client.completions.create(model=MODEL, prompt=["One", "Two and"], n=2, max_tokens=3)
    row = event(server, answer.id)
    assert row is not None
    assert answer.usage is not None
    assert (row["prompt_tokens"], row["completion_tokens"]) == (answer.usage.prompt_tokens, 12)


def test_a_client_that_disconnects_pays_for_the_tokens_generated_so_far(
    server: RunningServer, openai_client: OpenAI
) -> None:
    stream = openai_client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=1500, stream=True, extra_body={"ignore_eos": True}
    )
    seen = 0
    for chunk in stream:
        seen += bool(chunk.choices[0].delta.content)
        if seen == 10:
            break
    stream.close()
    row = late_event(server, chunk.id)
    assert row["outcome"] == "cancelled"
    assert 10 <= row["completion_tokens"] < 1500


def test_an_answer_ends_when_the_key_s_budget_is_spent(server: RunningServer) -> None:
    async def prepare() -> tuple[str, str]:
        database = await Database.open(Settings(home=server.home))
        secret = await operator.create_api_key(database, "frugal")
        async with database.writing() as session:
            holder = await api_keys.holder_of(session, secret)
            assert holder is not None
            principal = holder.principal
            key = principal.api_key_id or ""
            scope = Scope.of_organization(principal)
            budget = await budgets.set_budget(
                session, scope, subject_kind="key", subject_id=key, period="month", amount=100_000
            )
            await prices.set_price(session, MODEL, Price(int(time.time()), input=1000, cached_input=500, output=2000))
        await database.close()
        return secret, budget.id

    secret, budget = asyncio.run(prepare())
    with OpenAI(base_url=f"{server.url}/v1", api_key=secret, max_retries=2) as client:
        answer = client.chat.completions.create(model=MODEL, messages=QUESTION, extra_body={"ignore_eos": True})
        assert answer.choices[0].finish_reason == "length"
        with pytest.raises(RateLimitError, match=r"The key's budget for this month is 0\.1 cents") as refused:
            client.chat.completions.create(model=MODEL, messages=QUESTION)
    assert refused.value.type == "budget_exceeded"
    headers = refused.value.response.headers
    assert headers["x-aquilon-budget"] == f"key:{budget}"
    assert int(headers["retry-after"]) > 0
    row = event(server, answer.id)
    assert row is not None
    assert answer.usage is not None
    assert row["cost"] <= 100_000
    assert 100_000 - row["cost"] < 2000 + answer.usage.prompt_tokens * 500


class TestKills:
    @pytest.fixture
    def home(self, tmp_path: Path, default_model_file: Path) -> Path:
        prepare_home(tmp_path, default_model_file)
        return tmp_path

    def test_the_tokens_of_a_killed_engine_are_recorded(self, server: RunningServer, openai_client: OpenAI) -> None:
        stream = openai_client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, extra_body={"ignore_eos": True}
        )
        chunk = next(stream)
        for _ in range(5):
            next(stream)
        [engine] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        os.kill(int(engine), signal.SIGKILL)
        row = late_event(server, chunk.id)
        assert row["outcome"] == "failed"
        assert row["completion_tokens"] >= 5

    @pytest.mark.slow
    def test_kills_under_load_leave_each_whole_answer_recorded_exactly_once(self, home: Path) -> None:
        tally = kill_under_load(home, kills=2)
        counts, tokens = recorded(home)
        assert len(tally.whole) >= 16
        assert set(counts.values()) == {1}
        assert {request_id: tokens.get(request_id) for request_id in tally.whole} == tally.whole
