"""The result lines of a batch job."""

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
    """The line's id, under which its usage is recorded."""
    return f"batch_req_{batch_id.removeprefix('batch_')}_{number}"


def answered(line: str, custom_id: str | None, *, status: int, request_id: str, body: bytes) -> str:
    """The result of a line that was asked, whatever the status of its answer."""
    one_line = body if b"\n" not in body else msgspec.json.format(body, indent=-1)
    response = LineResponse(status, request_id, msgspec.Raw(one_line))
    return _text(ResultLine(id=line, custom_id=custom_id, response=response, error=None))


def not_asked(line: str, custom_id: str | None, *, code: str, message: str) -> str:
    """The result of a line that was never asked."""
    return _text(ResultLine(id=line, custom_id=custom_id, response=None, error=LineError(code, message)))


def _text(line: ResultLine) -> str:
    return msgspec.json.encode(line).decode()
