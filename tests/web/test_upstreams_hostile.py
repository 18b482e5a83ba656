"""A real server with upstreams that break the rules: clients get a correct answer or an error, and a correct bill."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.people import signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_hostility import BAD, BREAKS, MIB, OTHERS, TEXT, WELL, answers_all
from tests.support.upstream_server import Connection, ReceivedRequest
from tests.support.upstream_stand_ins import stand_in

PATIENCE = {"connect": 1, "first_token": 0.4, "between": 0.3, "total": 2}
"""For models that answer too late; others may take what a busy machine takes."""


@dataclass
class Elsewhere:
    url: str = ""
    received: list[ReceivedRequest] = field(default_factory=list)


@pytest.fixture(scope="module")
def secret_place() -> Iterator[Elsewhere]:
    """A private address that the server must never request."""
    place = Elsewhere()

    async def script(connection: Connection) -> None:
        place.received.append(connection.request)
        await answers_all(connection)

    with stand_in(script) as place.url:
        yield place


@pytest.fixture(scope="module")
def elsewhere(secret_place: Elsewhere) -> Iterator[Elsewhere]:
    """An upstream whose models answer as their names say."""
    place = Elsewhere()

    async def script(connection: Connection) -> None:
        place.received.append(connection.request)
        name = connection.request.json["model"]
        if name.startswith("redirects_"):
            location = f"{secret_place.url}/v1/chat/completions"
            await connection.answer(int(name.removeprefix("redirects_")), {}, location=location)
        elif name in OTHERS:
            await OTHERS[name](connection)
        else:
            await (WELL | BAD | BREAKS)[name][0](connection)

    with stand_in(script) as place.url:
        yield place


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, elsewhere: Elsewhere) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("gateway"), environment={"AQUILON_MODELS": "none"})
    redirecting = [f"redirects_{status}" for status in (301, 302, 303, 307, 308)]
    late = [name for name, (_, status) in (BAD | BREAKS).items() if status == 504]
    in_time = [name for name in (*WELL, *BAD, *BREAKS, *OTHERS, *redirecting) if name not in late]
    with closing(signed_in_owner(running)) as owner:
        for upstream, names, timeouts in (("wild", in_time, {}), ("wild-and-late", late, PATIENCE)):
            models = [
                {"name": name, "capabilities": ["chat", "function_calling"], "max_context": 4096} for name in names
            ]
            body = {"name": upstream, "base_url": elsewhere.url, "api_key": "sk-very-secret-key", "models": models}
            created = owner.post("/v1/server/upstreams", json=body | {"timeouts": timeouts})
            assert created.status_code == 200, created.text
    yield running
    running.stop()


@pytest.fixture(scope="module")
def http(gateway: RunningServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.api_key}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
        yield client


def ask(http: httpx.Client, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Count"}], **more}
    return http.post("/v1/chat/completions", json=body)


def frames(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(event) for event in events]


def words(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk.get("choices"))


def bills(gateway: RunningServer, model: str) -> list[tuple[str, int]]:
    """Outcome and completion tokens, the latest last."""
    with sqlite3.connect(gateway.home / "aquilon.db") as database:
        query = "SELECT outcome, completion_tokens FROM usage_events WHERE model = ? ORDER BY rowid"
        return database.execute(query, (model,)).fetchall()


def peak_bytes(server: RunningServer) -> int:
    [line] = [line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("model", WELL)
def test_an_answer_in_any_valid_form_is_returned_and_billed(
    gateway: RunningServer, http: httpx.Client, model: str
) -> None:
    chunks = frames(ask(http, model, stream=True))
    assert words(chunks) == TEXT
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == "stop"
    whole = ask(http, model).json()
    assert whole["choices"][0]["message"]["content"] == TEXT
    assert whole["usage"]["completion_tokens"] == WELL[model][1]
    assert bills(gateway, model) == [("completed", WELL[model][1])] * 2


@pytest.mark.parametrize("model", BAD)
def test_an_invalid_answer_is_an_error_that_costs_nothing(
    gateway: RunningServer, http: httpx.Client, model: str
) -> None:
    before = peak_bytes(gateway)
    for stream in (True, False):
        refused = ask(http, model, stream=stream)
        assert refused.status_code == BAD[model][1], refused.text
        assert refused.json()["type"] == "server_error"
        for secret in ("127.0.0.1", "wild", "very-secret"):
            assert secret not in refused.text
    wait_until(lambda: bills(gateway, model) == [("failed", 0)] * 2)
    assert peak_bytes(gateway) - before < 24 * MIB


@pytest.mark.parametrize("model", BREAKS)
def test_a_broken_off_answer_ends_with_an_error_and_its_tokens_are_billed(
    gateway: RunningServer, http: httpx.Client, model: str
) -> None:
    before = peak_bytes(gateway)
    answer = ask(http, model, stream=True)
    *chunks, error = frames(answer)
    assert words(chunks) == TEXT
    assert "event: error\n" in answer.text
    assert "[DONE]" not in answer.text
    assert error["type"] == "server_error"
    for secret in ("127.0.0.1", "10.1.2.3", "wild", "very-secret"):
        assert secret not in answer.text
    assert ask(http, model).status_code == BREAKS[model][1]
    wait_until(lambda: bills(gateway, model) == [("failed", 3)] * 2)
    assert peak_bytes(gateway) - before < 24 * MIB


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_a_private_address_are_not_followed(
    http: httpx.Client, elsewhere: Elsewhere, secret_place: Elsewhere, status: int
) -> None:
    assert ask(http, f"redirects_{status}").status_code == 502
    assert elsewhere.received[-1].json["model"] == f"redirects_{status}"
    assert secret_place.received == []


@pytest.mark.parametrize("model", ["calls_without_numbers", "calls_without_anything"])
def test_unnumbered_tool_calls_are_kept_separate(http: httpx.Client, model: str) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    [choice] = ask(http, model, tools=tools).json()["choices"]
    calls = [call["function"] for call in choice["message"]["tool_calls"]]
    assert calls == [{"name": "f", "arguments": '{"x":1}'}, {"name": "g", "arguments": "{}"}]
    assert len({call["id"] for call in choice["message"]["tool_calls"]}) == 2
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(("model", "shown"), [("never_stops", 20), ("never_stops_in_one_word", 0)])
def test_an_endless_answer_is_cut_at_max_tokens_and_billed_up_to_them(
    gateway: RunningServer, http: httpx.Client, model: str, shown: int
) -> None:
    chunks = frames(ask(http, model, stream=True, max_tokens=20))
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert len(words(chunks)) < 2000
    assert bills(gateway, model) == [("completed", shown)]


def test_unsolicited_bytes_never_reach_another_request(http: httpx.Client, elsewhere: Elsewhere) -> None:
    for _ in range(5):
        assert ask(http, "speaks_unasked").json()["choices"][0]["message"]["content"] == TEXT


def test_cookies_are_not_kept(http: httpx.Client, elsewhere: Elsewhere) -> None:
    for _ in range(2):
        assert ask(http, "sets_a_cookie").status_code == 200
    assert "cookie" not in elsewhere.received[-1].headers


def test_the_server_still_works_afterwards(gateway: RunningServer, http: httpx.Client) -> None:
    assert words(frames(ask(http, "all_at_once", stream=True))) == TEXT
    assert "Traceback" not in gateway.log
    assert "very-secret" not in gateway.log
