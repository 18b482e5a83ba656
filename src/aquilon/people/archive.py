"""All that the server has of a person as one ZIP archive, streamed: a part of one file is in memory at a time."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from aquilon.people.archive_readme import Language, readme
from aquilon.people.personal_data import ArchiveFile, Person, PersonalData, text

_LARGE = 2**16
"""Bytes that are compressed in a thread."""


async def archive(
    parts: Sequence[PersonalData], person: Person, organization: str, *, language: Language = "en"
) -> AsyncIterator[bytes]:
    """The bytes of the archive as they come into being. ``language``: that of its README and of headings."""
    person = replace(person, language=language)
    sink = _Sink()
    moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    about = readme(name=person.name, organization=organization, moment=moment, language=language)
    with zipfile.ZipFile(sink, "w", allowZip64=True) as packing:
        async for chunk in _added(packing, sink, ArchiveFile("README.md", text(about))):
            yield chunk
        for part in parts:
            async for file in part.export(person):
                async for chunk in _added(packing, sink, file):
                    yield chunk
    yield sink.take()


async def _added(packing: zipfile.ZipFile, sink: _Sink, file: ArchiveFile) -> AsyncIterator[bytes]:
    info = zipfile.ZipInfo(file.path, time.gmtime()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED if file.packed else zipfile.ZIP_STORED
    info.external_attr = 0o600 << 16
    with packing.open(info, "w", force_zip64=True) as entry:
        async for content in file.content:
            if len(content) < _LARGE:
                entry.write(content)
            else:
                await asyncio.to_thread(entry.write, content)
            if sink.size >= _LARGE:
                yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """A file that `zipfile` writes to and can't seek in; what was written is taken out from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._chunks.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._chunks)
        self._chunks.clear()
        self.size = 0
        return taken
