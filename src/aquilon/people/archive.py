"""All that the server has of a person as one ZIP archive, streamed: a part of one file is in memory at a time."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aquilon.people.personal_data import ArchiveFile, Person, PersonalData, text

_LARGE = 2**16
"""Bytes that are compressed in a thread."""

_README = """# {name}

Everything that {organization} has of you here, as of {moment}.

- `profile.json`: your account, workspaces, keys (without their secrets) and open sessions
- `activity.csv`: what the audit log has of your actions
- `conversations/`: each conversation as Markdown, as you see it, and as JSON with all of its branches
- `projects.json`, `shares.jsonl`, `feedback.jsonl`, `comparisons.jsonl`, `votes.jsonl`: what else you made there
- `libraries/`: your libraries and what is in them; `documents.jsonl`: what you added to libraries
- `files/`: the files that you uploaded, each in a folder with its id
- `batches.json`: your batch jobs, if you have some
- `usage.csv`: your requests, with tokens and costs (in millionths of a cent)

Times are UTC, or seconds since 1970.
"""


async def archive(parts: Sequence[PersonalData], person: Person, organization: str) -> AsyncIterator[bytes]:
    """The bytes of the archive as they come into being."""
    sink = _Sink()
    moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    readme = ArchiveFile("README.md", text(_README.format(name=person.name, organization=organization, moment=moment)))
    with zipfile.ZipFile(sink, "w", allowZip64=True) as packing:
        async for chunk in _added(packing, sink, readme):
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
