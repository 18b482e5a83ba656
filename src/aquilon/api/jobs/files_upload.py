"""The body of ``POST /v1/files``: ``multipart/form-data``, written to disk while it arrives."""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from aquilon.api.body import require_plain
from aquilon.errors import ApiError, invalid
from aquilon.jobs.files import PURPOSES, FileDescription, Files, Visibility, unwritable
from aquilon.jobs.files_on_disk import Part
from aquilon.jobs.tables import StoredFile
from aquilon.people.identity import Principal

IDLE_SECONDS = 60
"""An upload that sends nothing for this long is refused."""
_LEAST_BYTES_A_SECOND = 1024
"""The least average rate after the first minute, so that a trickle of bytes doesn't keep an upload open."""

_OVERHEAD_BYTES = 64 * 1024
"""The most bytes of a multipart body besides the file."""
_MOST_FIELD_BYTES = 2048
_MOST_PARTS = 30
_WRITTEN_AT_ONCE = 2**20
_MOST_NAME = 255
_MOST_SECONDS = 10 * 366 * 86_400
_JOINERS = "\u200c\u200d"
"""Which Persian words, Indian ones and emoji of several people have within them."""
_MIMETYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)


async def receive_file(
    request: Request,
    files: Files,
    caller: Principal,
    *,
    described: Callable[[FileDescription], FileDescription] = lambda description: description,
) -> StoredFile:
    """Store an uploaded file. ``described``: what is known of it besides what its uploader says.

    Raises ApiError: 413 as soon as the file is too large; 415, 400 or 422 for another kind of body or a wrong one.
    """
    require_plain(request)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise ApiError(
            415,
            "invalid_request_error",
            "The body must be 'multipart/form-data' with the parts 'file' and 'purpose'",
            code="unsupported_media_type",
        )
    form = _Form(boundary)
    length = request.headers.get("content-length", "")
    declared = max(0, int(length[:20]) - _OVERHEAD_BYTES) if length.isdigit() else None
    file_id, part, most = await files.begin(caller, declared)
    kept = False
    try:
        await _read(request, form, part, most=most, too_large=lambda: files.too_large(most))
        row = await files.keep(caller, file_id, part, description=described(form.description()))
        kept = True
        return row
    finally:
        if not kept:
            await asyncio.shield(asyncio.to_thread(part.discard))


async def _read(request: Request, form: _Form, part: Part, *, most: int, too_large: Callable[[], ApiError]) -> None:
    chunks = request.stream().__aiter__()
    total, start = 0, time.monotonic()
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise ApiError(
                408, "invalid_request_error", f"No data arrived for {IDLE_SECONDS} seconds", code="body_timeout"
            ) from None
        except ClientDisconnect:
            raise invalid("The connection ended before the end of the file", code="body_incomplete") from None
        total += len(chunk)
        if is_too_slow(total, time.monotonic() - start):
            message = f"The file arrived at less than {_LEAST_BYTES_A_SECOND} bytes a second"
            raise ApiError(408, "invalid_request_error", message, code="body_timeout")
        form.feed(chunk)
        if part.size + len(form.content) > most or total > most + _OVERHEAD_BYTES:
            raise too_large()
        if len(form.content) >= _WRITTEN_AT_ONCE:
            await _write(form, part)
    form.finish()
    await _write(form, part)


def is_too_slow(received: int, seconds: float) -> bool:
    """Whether the upload is below the least rate after ``seconds``; the first minute is free."""
    return received < _LEAST_BYTES_A_SECOND * (seconds - IDLE_SECONDS)


async def _write(form: _Form, part: Part) -> None:
    data = bytes(form.content)
    form.content.clear()
    try:
        await asyncio.to_thread(part.add, data)
    except OSError as error:
        raise unwritable(error) from error


@dataclass
class _Head:
    name: str = ""
    filename: str | None = None
    mimetype: str = ""


@dataclass
class _Form:
    """The parts that have arrived: ``fields``, and the file's bytes in ``content`` until `_write` takes them."""

    boundary: bytes
    fields: dict[str, bytes] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)
    file: _Head | None = None
    ended: bool = False
    _parts: int = 0
    _head: _Head = field(default_factory=_Head)
    _header_name: bytes = b""
    _header_value: bytes = b""

    def __post_init__(self) -> None:
        try:
            self._parser = MultipartParser(
                self.boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._name,
                    "on_header_value": self._value,
                    "on_header_end": self._header,
                    "on_headers_finished": self._headers,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise invalid(f"The multipart boundary can't be used: {error}", code="invalid_multipart") from None

    def feed(self, chunk: bytes) -> None:
        """Raises ApiError 400."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise invalid(f"The body isn't valid multipart/form-data: {error}", code="invalid_multipart") from None

    def finish(self) -> None:
        if not self.ended:
            raise invalid("The multipart body ends before its last boundary", code="invalid_multipart")
        if self.file is None:
            raise _wrong("file", "Field required: a part 'file' with a filename", kind="missing")

    def description(self) -> FileDescription:
        """Raises ApiError 422."""
        assert self.file is not None
        purpose, visibility = self._text("purpose") or "batch", self._text("visibility") or "workspace"
        if purpose not in PURPOSES:
            raise _wrong("purpose", f"The purpose is one of {', '.join(PURPOSES)}, not '{purpose[:50]}'")
        if visibility not in ("workspace", "user"):
            raise _wrong("visibility", f"The visibility is 'workspace' or 'user', not '{visibility[:50]}'")
        seconds = self._number("expires_after[seconds]")
        hours = self._number("expiry")
        if seconds is None and hours is not None:
            seconds = hours * 3600
        if (anchor := self._text("expires_after[anchor]")) not in ("", "created_at"):
            raise _wrong("expires_after.anchor", f"A file expires after 'created_at', not after '{anchor[:50]}'")
        if seconds is not None and not 3600 <= seconds <= _MOST_SECONDS:
            raise _wrong("expires_after", f"A file is kept for 3600 to {_MOST_SECONDS} seconds, not {seconds}")
        name = _file_name(self.file.filename or "")
        if not 0 < len(name) <= _MOST_NAME:
            raise _wrong("file", f"The file's name has {len(name)} visible characters; it must have 1 to {_MOST_NAME}")
        kind = self.file.mimetype.partition(";")[0].strip().lower()
        return FileDescription(
            name=name,
            purpose=purpose,
            visibility=cast(Visibility, visibility),
            mimetype=kind if _MIMETYPE.fullmatch(kind) else "application/octet-stream",
            seconds=seconds,
        )

    def _text(self, name: str) -> str:
        try:
            return self.fields.get(name, b"").decode().strip()
        except UnicodeDecodeError:
            raise _wrong(name, f"'{name}' isn't valid UTF-8") from None

    def _number(self, name: str) -> int | None:
        text = self._text(name)
        if text in ("", "null"):
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise _wrong(name, f"'{name}' is a whole number, not '{text[:50]}'")
        return int(text)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise invalid(f"The form has more than {_MOST_PARTS} parts", code="invalid_multipart")
        self._head, self._header_name, self._header_value = _Head(), b"", b""

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        name = self._header_name.lower()
        if name == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._head.name = options.get(b"name", b"").decode("utf-8", "replace")
            if b"filename" in options:
                self._head.filename = options[b"filename"].decode("utf-8", "replace")
        elif name == b"content-type":
            self._head.mimetype = self._header_value.decode("latin-1")
        self._header_name, self._header_value = b"", b""

    def _headers(self) -> None:
        if self._head.name == "file" and self._head.filename is not None:
            if self.file is not None:
                raise _wrong("file", "The form has two parts 'file' with a filename; send one file at a time")
            self.file = self._head

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._head is self.file:
            self.content += memoryview(data)[start:end]
            return
        value = self.fields.get(self._head.name, b"") + data[start:end]
        if len(value) > _MOST_FIELD_BYTES:
            name = self._head.name[:50]
            raise _wrong(name, f"The field '{name}' has more than {_MOST_FIELD_BYTES} bytes")
        self.fields[self._head.name] = value

    def _end(self) -> None:
        self.ended = True


def _file_name(sent: str) -> str:
    """The last part of a path, on one line, composed (NFC), and without characters that only hide or turn others.

    Spaces that don't break lines become plain ones: French names have them, and those of macOS' screenshots.
    """
    name = " ".join(unicodedata.normalize("NFC", sent.replace("\\", "/").rpartition("/")[2]).split())
    seen = (one for one in name if unicodedata.category(one) not in ("Cc", "Cf") or one in _JOINERS)
    return "".join(seen).strip(" " + _JOINERS)


def _wrong(name: str, message: str, *, kind: str = "value_error") -> ApiError:
    detail = [{"loc": ["body", name], "msg": message, "type": kind}]
    return ApiError(422, "invalid_request_error", message, param=name, code=kind, detail=detail)
