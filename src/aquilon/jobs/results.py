"""A batch job's result lines, and the files that are made of them."""

from __future__ import annotations

import msgspec


class LineResponse(msgspec.Struct, frozen=True):
    status_code: int
    request_id: str
    body: msgspec.Raw


class LineError(msgspec.Struct, frozen=True):
    code: str
    message: str


class ResultLine(msgspec.Struct, frozen=True):
    id: str
    custom_id: str | None
    response: LineResponse | None
    error: LineError | None


def line_name(batch_id: str, number: int) -> str:
    """The line's own id: what its usage is recorded under."""
    return f"batch_req_{batch_id.removeprefix('batch_')}_{number}"


def answered(line: str, custom_id: str | None, status: int, request_id: str, body: bytes) -> str:
    """A line that was asked, however it was answered."""
    whole = body if b"\n" not in body else msgspec.json.format(body, indent=-1)
    return _text(ResultLine(line, custom_id, LineResponse(status, request_id, msgspec.Raw(whole)), None))


def not_asked(line: str, custom_id: str | None, code: str, message: str) -> str:
    return _text(ResultLine(line, custom_id, None, LineError(code, message)))


def _text(line: ResultLine) -> str:
    return msgspec.json.encode(line).decode()
