"""The requests that agents made when `scripts/real-clients` tried them last, made again.

Their texts are cut to a line; fields, tools and the order of items are as the clients sent them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.clients.gateway import scripted_gateway
from tests.clients.tap import RECORDED, Recorded, read_log, write_log

CALLS = ("function_call", "custom_tool_call", "tool_use", "function")


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Asks a gateway to the scripted model."""
    with scripted_gateway(tmp_path_factory.mktemp("gateway")) as server:
        headers = {"authorization": f"Bearer {server.api_key}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            yield client


def called(value: Any) -> Iterator[str]:
    """The names of the calls in a conversation, in any dialect."""
    if isinstance(value, list):
        for item in value:
            yield from called(item)
    elif isinstance(value, dict):
        name = value.get("name") or value.get("function", {}).get("name")
        if value.get("type") in CALLS and name:
            yield name
        for part in ("content", "tool_calls"):
            yield from called(value.get(part))


def conversation(request: Recorded) -> Any:
    return request.body.get("input") or request.body.get("messages")


@pytest.mark.parametrize("agent", sorted(file.stem for file in RECORDED.glob("*.jsonl")))
def test_each_request_of_an_agent_is_answered_with_the_call_that_it_made_next(http: httpx.Client, agent: str) -> None:
    log = [request for request in read_log(RECORDED / f"{agent}.jsonl") if isinstance(request.body, dict)]
    made = 0
    for request, following in zip(log, [*log[1:], log[-1]], strict=True):
        headers = {name: value for name, value in request.headers.items() if name.startswith("anthropic-")}
        answer = http.request(request.method, request.path, json=request.body, headers=headers)
        assert answer.status_code == 200, f"{request.path}: {answer.text}"
        calls = Counter(called(conversation(following))) - Counter(called(conversation(request)))
        made += calls.total()
        for name in calls:
            assert f'"name":"{name}"' in answer.text, request.path
    assert made >= 2, "a file is written and changed"


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    first = {"model": "m", "input": [1, 2], "tools": ["a"], "store": False}
    second = {"model": "m", "input": [1, 2, 3], "tools": ["b"]}
    log = [
        Recorded(method="HEAD", path="/"),
        Recorded(body=first),
        Recorded(size=3, body="no JSON"),
        Recorded(body=second),
    ]
    write_log(log, tmp_path / "log.jsonl")
    assert read_log(tmp_path / "log.jsonl") == log
