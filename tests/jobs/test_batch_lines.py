"""How the lines of a batch job's input are read, and how many are asked at once."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.jobs.endpoints import LineProblem, LineRequest, lines_of, read_line
from aquilon.jobs.pace import Pace

CHAT = "/v1/chat/completions"


def read(line: Any, *, model: str | None = None, needs_custom_id: bool = False) -> LineRequest | LineProblem:
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    return read_line(data, endpoint=CHAT, model=model, needs_custom_id=needs_custom_id)


def test_a_body_is_passed_on_as_it_came_but_for_model_and_stream() -> None:
    body = {"model": "a", "stream": False, "temperature": 0.1, "deep": {"b": [1, 2.50, "é"]}}
    found = read({"custom_id": 7, "body": body}, model="b")
    assert isinstance(found, LineRequest)
    assert found.custom_id == "7"
    assert json.loads(found.body) == {"model": "b", "temperature": 0.1, "deep": {"b": [1, 2.5, "é"]}}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "invalid_line"),
        (b"[1]", "invalid_line"),
        (b"\xff", "invalid_line"),
        (b"[" * 100_000, "invalid_line"),
        ({"custom_id": "a", "body": "text"}, "invalid_line"),
        ({"custom_id": "a"}, "missing_body"),
        ({"body": {}}, "missing_custom_id"),
        ({"custom_id": "a", "method": "PUT", "body": {}}, "invalid_method"),
        ({"custom_id": "a", "url": "/v1/files", "body": {}}, "mismatched_url"),
        ({"custom_id": "a", "body": {"stream": True}}, "stream_not_allowed"),
    ],
)
def test_a_line_that_can_t_be_asked_says_why(line: Any, code: str) -> None:
    found = read(line, needs_custom_id=True)
    assert isinstance(found, LineProblem)
    assert found.code == code
    if isinstance(line, dict):
        assert found.custom_id == line.get("custom_id")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_problem(data: bytes) -> None:
    assert isinstance(read(data), LineRequest | LineProblem)


@given(st.lists(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=12), max_size=3))
def test_every_line_that_is_not_blank_is_read_once_in_order(contents: list[list[bytes]]) -> None:
    most = 20
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, lines in enumerate(contents):
            paths.append(Path(folder) / str(number))
            paths[-1].write_bytes(b"\n".join(lines))
        found = list(lines_of(paths, most))
    expected = [line for lines in contents for line in lines if line.strip() or len(line) > most]
    assert [number for number, _ in found] == list(range(len(found)))
    assert [None if line is None else line.rstrip(b"\n") for _, line in found] == [
        line if len(line) <= most else None for line in expected
    ]


async def test_lines_give_way_to_live_requests_and_slow_down_where_the_server_is_busy() -> None:
    live = 0
    pace = Pace(8, lambda: pace.running + live)
    assert pace.limit == 4
    for _ in range(100):
        pace.answered()
    assert pace.limit == 8
    live = 1
    assert pace.limit == 2
    live = 0
    pace.refused()
    assert pace.limit == 4
    for _ in range(9):
        pace.refused()
    assert pace.limit == 1
    order: list[int] = []

    async def line(number: int) -> None:
        async with pace.turn():
            order.append(number)
            assert pace.running == 1
            await asyncio.sleep(0)

    await asyncio.gather(*(line(number) for number in range(5)))
    assert sorted(order) == list(range(5))
