"""Uploaded files: who may have them, how much room there is, and what is swept away."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from aquilon.errors import ApiError, overloaded
from aquilon.jobs.files_on_disk import FilesOnDisk, Part
from aquilon.jobs.store import batches
from aquilon.jobs.store import files as stored
from aquilon.jobs.store.files import FileFilter
from aquilon.jobs.tables import StoredFile
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.store import audit
from aquilon.settings import Settings
from aquilon.storage import Database

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals", "ocr"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
Visibility = Literal["workspace", "user"]

_DAY = 86_400
_SWEEP_AFTER_SECONDS = 24 * 3600
"""A file that long without a row belongs to nobody; no upload takes longer."""
_SWEPT_AT_ONCE = 200


@dataclass(frozen=True)
class FileDescription:
    """What an uploader says of a file."""

    name: str
    purpose: Purpose
    visibility: Visibility = "workspace"
    mimetype: str = "application/octet-stream"
    seconds: int | None = None
    """How long it is kept; None as long as its purpose says."""


class Files:
    """All methods that take a principal raise ApiError: 403 without the right, 404 for what the caller can't see."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._most_bytes = settings.max_file_bytes
        self._quota = settings.max_files_bytes
        self._result_seconds = settings.result_days * _DAY
        self.disk = FilesOnDisk(settings.uploads_folder)

    async def begin(
        self, principal: Principal, declared: int | None, *, own_right: bool = True
    ) -> tuple[str, Part, int]:
        """An id for a new file, where its content goes, and the most bytes it may have.

        ``own_right``: the caller must have the right to use files; else another right was
        asked for. ``declared`` is how many bytes are coming, where that is known. Raises
        ApiError 413 for too many of them.
        """
        if own_right:
            _require(principal)
        most = min(self._most_bytes, await self._room(principal))
        if most <= 0 or (declared or 0) > most:
            raise self.too_large(most)
        file_id = new_id("file")
        try:
            return file_id, await asyncio.to_thread(self.disk.begin, principal.organization_id, file_id), most
        except OSError as error:
            raise unwritable(error) from error

    def too_large(self, most: int) -> ApiError:
        if most < self._most_bytes:
            return ApiError(
                413,
                "invalid_request_error",
                f"Your organization's files may have {self._quota} bytes together, and {max(0, most)} are left: delete "
                "files that are no longer needed",
                param="file",
                code="files_quota_exceeded",
                headers={"connection": "close"},
            )
        return ApiError(
            413,
            "invalid_request_error",
            f"The file has more than {most} bytes, the most that is taken here",
            param="file",
            code="file_too_large",
            headers={"connection": "close"},
        )

    async def keep(self, principal: Principal, file_id: str, part: Part, described: FileDescription) -> StoredFile:
        """Make what was written a file. Raises ApiError 413 where others took the room meanwhile."""
        seconds = described.seconds
        if seconds is None and described.purpose == "batch":
            seconds = self._result_seconds
        now = int(time.time())
        row = StoredFile(
            id=file_id,
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            name=described.name,
            purpose=described.purpose,
            visibility=described.visibility,
            source="upload",
            bytes=part.size,
            lines=part.lines if described.name.endswith(".jsonl") else None,
            sha256=part.sha256,
            mimetype=described.mimetype,
            created_at=now,
            expires_at=None if seconds is None else now + seconds,
        )
        try:
            await asyncio.to_thread(part.finish)
        except OSError as error:
            raise unwritable(error) from error
        async with self._database.writing(alone=True) as session:
            used = await stored.used_bytes(session, Scope.of_organization(principal))
            if used + part.size > self._quota:
                raise self.too_large(self._quota - used)
            await stored.add(session, row)
        return row

    async def get(self, principal: Principal, file_id: str, *, own_right: bool = True) -> StoredFile:
        """``own_right`` as for ``begin``."""
        if own_right:
            _require(principal)
        async with self._database.reading() as session:
            found = await stored.by_id(session, principal, file_id, int(time.time()))
        if found is None:
            raise no_such("file", file_id)
        return found

    async def shared(self, organization_id: str, file_id: str) -> StoredFile:
        """For whoever holds a link to it. Raises ApiError 404."""
        async with self._database.reading() as session:
            found = await stored.in_organization(session, Scope(organization_id), file_id, int(time.time()))
        if found is None:
            raise no_such("file", file_id)
        return found

    async def page(
        self,
        principal: Principal,
        wanted: FileFilter,
        *,
        after: str | None = None,
        offset: int = 0,
        limit: int,
        oldest_first: bool = False,
    ) -> list[StoredFile]:
        _require(principal)
        async with self._database.reading() as session:
            return await stored.newest_first(
                session,
                principal,
                int(time.time()),
                wanted=wanted,
                after=after,
                offset=offset,
                limit=limit,
                oldest_first=oldest_first,
            )

    async def count(self, principal: Principal, wanted: FileFilter) -> int:
        _require(principal)
        async with self._database.reading() as session:
            return await stored.count(session, principal, int(time.time()), wanted=wanted)

    async def delete(self, principal: Principal, file_id: str) -> StoredFile:
        """Raises ApiError 409 while a batch job reads it."""
        found = await self.get(principal, file_id)
        async with self._database.writing(alone=True) as session:
            reader = await batches.reader_of(session, Scope.of_organization(principal), file_id)
            if reader is not None:
                raise ApiError(
                    409,
                    "invalid_request_error",
                    f"The batch job '{reader}' still reads this file: cancel it first, or wait until it has ended",
                    code="file_in_use",
                )
            if not await stored.remove(session, Scope.of_organization(principal), file_id):
                raise no_such("file", file_id)
            await audit.record(
                session, principal, "file.deleted", object_id=file_id, object_name=found.name, purpose=found.purpose
            )
        await asyncio.to_thread(self.disk.remove, found.organization_id, file_id)
        return found

    def content(self, file: StoredFile) -> Path:
        """Raises ApiError 404 where the row outlived its content."""
        path = self.disk.path(file.organization_id, file.id)
        if not path.is_file():
            raise no_such("file", file.id)
        return path

    async def sweep(self) -> int:
        """A step: delete expired files, and content that no row knows; gives how many went."""
        now = int(time.time())
        async with self._database.writing() as session:
            expired = await stored.expired(session, now, most=_SWEPT_AT_ONCE)
            for file in expired:
                await stored.remove(session, Scope(file.organization_id), file.id)
        for file in expired:
            await asyncio.to_thread(self.disk.remove, file.organization_id, file.id)
        if expired:
            return len(expired)
        return await self._sweep_orphans()

    async def _sweep_orphans(self) -> int:
        candidates = await asyncio.to_thread(lambda: list(self.disk.sweepable(_SWEEP_AFTER_SECONDS)))
        gone = 0
        for begin in range(0, len(candidates), _SWEPT_AT_ONCE):
            some = candidates[begin : begin + _SWEPT_AT_ONCE]
            async with self._database.reading() as session:
                known = await stored.known(session, [(organization, name) for organization, name, _ in some])
            for organization, name, path in some:
                if (organization, name) not in known:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
                    gone += 1
        return gone

    async def _room(self, principal: Principal) -> int:
        async with self._database.reading() as session:
            return self._quota - await stored.used_bytes(session, Scope.of_organization(principal))


def unwritable(error: OSError) -> ApiError:
    return overloaded(f"Files can't be written now: {error.strerror or 'the disk failed'}", retry_after=60)


def _require(principal: Principal) -> None:
    require(principal, "files.use", principal.workspace_role)
