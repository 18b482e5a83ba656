"""Uploaded files: who may use them, their quota, and the sweep of expired ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from aquilon.catalogue.store import fine_tuned_on
from aquilon.errors import ApiError, overloaded
from aquilon.jobs.files_on_disk import FilesOnDisk, Part
from aquilon.jobs.fine_tuning import store as fine_tuning
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
from aquilon.storage.unwritable import disk_full, is_disk_full

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals", "ocr"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
Visibility = Literal["workspace", "user"]

_DAY = 86_400
_SWEEP_AFTER_SECONDS = 24 * 3600
"""Content of this age without a row is deleted: no upload takes longer."""
_SWEPT_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class FileDescription:
    """What an uploader says about a file."""

    name: str
    purpose: Purpose
    visibility: Visibility = "workspace"
    mimetype: str = "application/octet-stream"
    seconds: int | None = None
    """How long the file is kept; None for the default of its purpose."""


class Files:
    """Methods with a principal raise ApiError: 403 without the right, 404 for a file that the caller can't see."""

    def __init__(
        self, database: Database, settings: Settings, *, on_deletion: Callable[[], None] = lambda: None
    ) -> None:
        """``on_deletion`` is called after files were deleted: what was read out of them is deleted too."""
        self._database = database
        self._on_deletion = on_deletion
        self._most_bytes = settings.max_file_bytes
        self._quota = settings.max_files_bytes
        self._result_seconds = settings.result_days * _DAY
        self.disk = FilesOnDisk(settings.uploads_folder)

    async def begin(
        self, principal: Principal, declared_bytes: int | None, *, check_right: bool = True
    ) -> tuple[str, Part, int]:
        """Begin a file: returns its id, the part to write its content to, and the most bytes that it may have.

        ``declared_bytes`` is the expected size, if it is known. ``check_right`` is False if
        the caller needs another right than that to use files, which was checked before.
        Raises ApiError 413 if the file is too large.
        """
        if check_right:
            _require(principal)
        most = min(self._most_bytes, await self._room(principal))
        if most <= 0 or (declared_bytes or 0) > most:
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
                values={"most": self._quota},
            )
        return ApiError(
            413,
            "invalid_request_error",
            f"The file has more than {most} bytes, the most that this server accepts",
            param="file",
            code="file_too_large",
            headers={"connection": "close"},
            values={"most": most},
        )

    async def keep(self, principal: Principal, file_id: str, part: Part, *, description: FileDescription) -> StoredFile:
        """Store the written part as a file. Raises ApiError 413 if other files have used up the quota meanwhile."""
        seconds = description.seconds
        if seconds is None and description.purpose == "batch":
            seconds = self._result_seconds
        now = int(time.time())
        row = StoredFile(
            id=file_id,
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            name=description.name,
            purpose=description.purpose,
            visibility=description.visibility,
            source="upload",
            bytes=part.size,
            lines=part.lines if description.name.endswith(".jsonl") else None,
            sha256=part.sha256,
            mimetype=description.mimetype,
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

    async def get(self, principal: Principal, file_id: str, *, check_right: bool = True) -> StoredFile:
        """``check_right`` is as in ``begin``."""
        if check_right:
            _require(principal)
        async with self._database.reading() as session:
            row = await stored.by_id(session, principal, file_id, now=int(time.time()))
        if row is None:
            raise no_such("file", file_id)
        return row

    async def shared(self, organization_id: str, file_id: str) -> StoredFile:
        """The file of a signed link, which needs no principal. Raises ApiError 404."""
        async with self._database.reading() as session:
            row = await stored.in_organization(session, Scope(organization_id), file_id, now=int(time.time()))
        if row is None:
            raise no_such("file", file_id)
        return row

    async def page(
        self,
        principal: Principal,
        criteria: FileFilter,
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
                criteria=criteria,
                after=after,
                offset=offset,
                limit=limit,
                oldest_first=oldest_first,
            )

    async def count(self, principal: Principal, criteria: FileFilter) -> int:
        _require(principal)
        async with self._database.reading() as session:
            return await stored.count(session, principal, int(time.time()), criteria=criteria)

    async def delete(self, principal: Principal, file_id: str) -> list[str]:
        """Delete a file; returns the names of the models that learnt from it, which stay.

        Raises ApiError 409 while a job reads the file.
        """
        row = await self.get(principal, file_id)
        scope = Scope.of_organization(principal)
        async with self._database.writing(alone=True) as session:
            for kind, reader in (
                ("batch", await batches.reader_of(session, scope, file_id)),
                ("fine-tuning", await fine_tuning.reader_of(session, scope, file_id)),
            ):
                if reader is not None:
                    raise ApiError(
                        409,
                        "invalid_request_error",
                        f"The {kind} job '{reader}' still reads this file: cancel it first, or wait until it has ended",
                        code="file_in_use",
                    )
            learnt = await fine_tuned_on(session, scope, file_id)
            if not await stored.remove(session, scope, file_id):
                raise no_such("file", file_id)
            detail = {"purpose": row.purpose} | ({"fine_tuned_models": learnt} if learnt else {})
            await audit.record(session, principal, "file.deleted", object_id=file_id, object_name=row.name, **detail)
        await asyncio.to_thread(self.disk.remove, row.organization_id, file_id)
        self._on_deletion()
        return learnt

    async def learnt_from(self, principal: Principal, file_id: str) -> list[str]:
        """The names of the organization's models that learnt from a file."""
        await self.get(principal, file_id)
        async with self._database.reading() as session:
            return await fine_tuned_on(session, Scope.of_organization(principal), file_id)

    async def remove(self, organization_id: str, file_id: str) -> None:
        """Delete a file that belongs to something else, whose right to be deleted was checked before."""
        async with self._database.writing() as session:
            await stored.remove(session, Scope(organization_id), file_id)
        await asyncio.to_thread(self.disk.remove, organization_id, file_id)
        self._on_deletion()

    def content(self, file: StoredFile) -> Path:
        """The path of a file's content. Raises ApiError 404 if it is gone."""
        path = self.disk.path(file.organization_id, file.id)
        if not path.is_file():
            raise no_such("file", file.id)
        return path

    async def sweep(self) -> int:
        """One step: delete expired files and content without a row; returns how many were deleted."""
        now = int(time.time())
        async with self._database.writing() as session:
            expired = await stored.expired(session, now, most=_SWEPT_AT_ONCE)
            for file in expired:
                await stored.remove(session, Scope(file.organization_id), file.id)
        for file in expired:
            await asyncio.to_thread(self.disk.remove, file.organization_id, file.id)
        if expired:
            self._on_deletion()
            return len(expired)
        return await self._sweep_orphans()

    async def _sweep_orphans(self) -> int:
        candidates = await asyncio.to_thread(lambda: list(self.disk.sweepable(_SWEEP_AFTER_SECONDS)))
        deleted = 0
        for begin in range(0, len(candidates), _SWEPT_AT_ONCE):
            chunk = candidates[begin : begin + _SWEPT_AT_ONCE]
            async with self._database.reading() as session:
                known = await stored.known(session, [(organization, name) for organization, name, _ in chunk])
            for organization, name, path in chunk:
                if (organization, name) not in known:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
                    deleted += 1
        return deleted

    async def _room(self, principal: Principal) -> int:
        async with self._database.reading() as session:
            return self._quota - await stored.used_bytes(session, Scope.of_organization(principal))


def unwritable(error: OSError) -> ApiError:
    if is_disk_full(error):
        return disk_full()
    return overloaded(
        f"Files can't be written now: {error.strerror or 'the disk failed'}", retry_after=60, code="files_not_writable"
    )


def _require(principal: Principal) -> None:
    require(principal, "files.use", principal.workspace_role)
