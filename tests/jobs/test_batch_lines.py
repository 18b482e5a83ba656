"""How the lines of a batch job's input are read, and how many are asked at once."""

from __future__ import annotations

import asyncio
import json
import tempfile
from codecs import BOM_UTF8
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
    request = read({"custom_id": 7, "body": body}, model="b")
    assert isinstance(request, LineRequest)
    assert request.custom_id == "7"
    assert json.loads(request.body) == {"model": "b", "temperature": 0.1, "deep": {"b": [1, 2.5, "é"]}}


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
def test_an_invalid_line_becomes_a_problem_with_a_code(line: Any, code: str) -> None:
    problem = read(line, needs_custom_id=True)
    assert isinstance(problem, LineProblem)
    assert problem.code == code
    if isinstance(line, dict):
        assert problem.custom_id == line.get("custom_id")


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
        read_lines = list(lines_of(paths, most))
    without_mark = [
        [line.removeprefix(BOM_UTF8) if n == 0 else line for n, line in enumerate(lines)] for lines in contents
    ]
    expected = [line for lines in without_mark for line in lines if line.strip() or len(line) > most]
    assert [line.number for line in read_lines] == list(range(len(read_lines)))
    assert [None if line.data is None else line.data.rstrip(b"\n") for line in read_lines] == [
        content if len(content) <= most else None for content in expected
    ]


def test_a_byte_order_mark_is_skipped_and_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """As Windows programs save text; a mark inside a file is content."""
    paths = [tmp_path / "first", tmp_path / "second"]
    paths[0].write_bytes(b"\xef\xbb\xbf{}\r\n\r\n{ }\n")
    paths[1].write_bytes(b"\xef\xbb\xbf\xef\xbb\xbf{}")
    read_lines = list(lines_of(paths, 100))
    assert [(line.number, line.file, line.line) for line in read_lines] == [(0, 0, 1), (1, 0, 3), (2, 1, 1)]
    assert [line.data for line in read_lines] == [b"{}\r", b"{ }", b"\xef\xbb\xbf{}"]


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
