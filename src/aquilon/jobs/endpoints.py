"""The endpoints that a batch job may name, and how the lines of its input are read."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

ENDPOINTS = frozenset(
    (
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/fim/completions",
        "/v1/moderations",
        "/v1/chat/moderations",
        "/v1/responses",
    )
)

_MOST_ID = 512


@dataclass(frozen=True)
class LineRequest:
    custom_id: str | None
    body: bytes
    """JSON, for the endpoint."""


@dataclass(frozen=True)
class LineProblem:
    """A line that is no valid request."""

    custom_id: str | None
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class InputLine:
    number: int
    """Counts the lines of all files that aren't blank, from 0."""
    file: int
    """The file's position in the job's input, from 0."""
    line: int
    """Counts all lines of the file, from 1, as an editor does."""
    data: bytes | None
    """None for a line that is too long."""


class _Line(msgspec.Struct):
    body: dict[str, msgspec.Raw] | None = None
    custom_id: str | int | None = None
    method: str | None = None
    url: str | None = None


_decoder = msgspec.json.Decoder(_Line)


class _OnlyId(msgspec.Struct):
    custom_id: str | int | None = None


_id_decoder = msgspec.json.Decoder(_OnlyId)


def read_line(data: bytes, *, endpoint: str, model: str | None, needs_custom_id: bool) -> LineRequest | LineProblem:
    """Read one line of an input file: ``custom_id`` and ``body``, in OpenAI's jobs also ``method`` and ``url``."""
    try:
        line = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return LineProblem(_custom_id(data), "invalid_line", f"The line isn't a request in JSON: {error}")
    custom_id = None if line.custom_id is None else str(line.custom_id)[:_MOST_ID]

    def problem(code: str, message: str) -> LineProblem:
        return LineProblem(custom_id, code, message)

    if custom_id is None and needs_custom_id:
        return problem("missing_custom_id", "The line has no 'custom_id'")
    if line.method is not None and line.method.upper() != "POST":
        return problem("invalid_method", f"The line's method is '{line.method[:20]}'; it must be POST")
    if line.url is not None and line.url != endpoint:
        return problem("mismatched_url", f"The line is for '{line.url[:100]}', and the job for '{endpoint}'")
    if line.body is None:
        return problem("missing_body", "The line has no 'body' with a request")
    body = dict(line.body)
    if bytes(body.pop("stream", b"false")) not in (b"false", b"null"):
        return problem("stream_not_allowed", "A line of a batch job can't be streamed: leave 'stream' out")
    if model is not None:
        body["model"] = msgspec.Raw(msgspec.json.encode(model))
    return LineRequest(custom_id, msgspec.json.encode(body))


def lines_of(paths: list[Path], most_bytes: int) -> Iterator[InputLine]:
    """Each line that isn't blank; one of more than ``most_bytes`` has no data. Skips a byte order mark."""
    number = 0
    for position, path in enumerate(paths):
        with path.open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            line = 0
            while data := file.readline(most_bytes + 1):
                line += 1
                content = data.removesuffix(b"\n")
                if len(content) > most_bytes:
                    while not data.endswith(b"\n") and (data := file.readline(most_bytes)):
                        pass
                    yield InputLine(number=number, file=position, line=line, data=None)
                elif content.strip():
                    yield InputLine(number=number, file=position, line=line, data=content)
                else:
                    continue
                number += 1


def _custom_id(data: bytes) -> str | None:
    """The id of a line that is invalid otherwise; None if it can't be read."""
    try:
        custom_id = _id_decoder.decode(data).custom_id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None if custom_id is None else str(custom_id)[:_MOST_ID]
