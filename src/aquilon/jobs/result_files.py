"""A job's output and error file, assembled from its recorded lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from aquilon.jobs.files_on_disk import FilesOnDisk, Part
from aquilon.jobs.store import batches
from aquilon.jobs.tables import Batch, StoredFile
from aquilon.people.secrets import new_id
from aquilon.storage import Database

RESULT_PURPOSE = "batch_output"
_LINES_AT_ONCE = 256


class ResultFiles:
    """``write`` puts both files on disk. The caller stores their rows in the transaction that ends the job."""

    def __init__(self, database: Database, disk: FilesOnDisk, batch: Batch, *, keep_seconds: int) -> None:
        self._database = database
        self._disk = disk
        self._batch = batch
        self._keep_seconds = batch.output_seconds or keep_seconds

    async def write(self, unfinished: AsyncIterator[str]) -> tuple[StoredFile | None, StoredFile | None]:
        """The output file and the error file, each None if it would be empty. Raises OSError."""

        async def errors() -> AsyncIterator[str]:
            async for line in self._recorded(failed=True):
                yield line
            async for line in unfinished:
                yield line

        output = await self._write(f"{self._batch.id}_output.jsonl", self._recorded(failed=False))
        return output, await self._write(f"{self._batch.id}_error.jsonl", errors())

    async def _recorded(self, *, failed: bool) -> AsyncIterator[str]:
        last = -1
        while True:
            async with self._database.reading() as session:
                rows = await batches.lines(session, self._batch, failed=failed, after=last, most=_LINES_AT_ONCE)
            if not rows:
                return
            last = rows[-1][0]
            for _, result in rows:
                yield result

    async def _write(self, name: str, lines: AsyncIterator[str]) -> StoredFile | None:
        file_id, part = new_id("file"), None
        pending: list[str] = []
        try:
            async for line in lines:
                if part is None:
                    part = await asyncio.to_thread(self._disk.begin, self._batch.organization_id, file_id)
                pending.append(line)
                if len(pending) >= _LINES_AT_ONCE:
                    await asyncio.to_thread(_add, part, pending)
                    pending = []
            if part is None:
                return None
            await asyncio.to_thread(_add, part, pending)
            await asyncio.to_thread(part.finish)
        except BaseException:
            if part is not None:
                part.discard()
            raise
        now = int(time.time())
        return StoredFile(
            id=file_id,
            organization_id=self._batch.organization_id,
            workspace_id=self._batch.workspace_id,
            user_id=self._batch.user_id,
            name=name,
            purpose=RESULT_PURPOSE,
            visibility="workspace",
            source="result",
            bytes=part.size,
            lines=part.lines,
            sha256=part.sha256,
            mimetype="application/jsonl",
            created_at=now,
            expires_at=now + self._keep_seconds,
        )


def _add(part: Part, lines: list[str]) -> None:
    if lines:
        part.add(("\n".join(lines) + "\n").encode())
