"""What callers do with batch jobs: create, list, cancel and delete them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aquilon.errors import ApiError, LimitReached, invalid
from aquilon.jobs.endpoints import ENDPOINTS
from aquilon.jobs.files import FileDescription, Files, unwritable
from aquilon.jobs.store import batches as stored
from aquilon.jobs.store.batches import BatchFilter
from aquilon.jobs.tables import Batch, StoredFile
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.store import audit
from aquilon.storage import Database

MOST_OPEN = 200
"""The most jobs of an organization that have not ended."""
INLINE_NAME = "inline_requests.jsonl"


@dataclass(frozen=True, kw_only=True)
class NewBatch:
    endpoint: str
    input_file_ids: Sequence[str]
    seconds: int
    """How long the job may take."""
    completion_window: str
    model: str | None = None
    metadata: Mapping[str, str] | None = None
    needs_custom_id: bool = True
    output_seconds: int | None = None


class Batches:
    """Methods with a principal raise ApiError: 403 without the right, 404 for a job or file the caller can't see."""

    def __init__(self, database: Database, files: Files, *, new_work: asyncio.Event | None = None) -> None:
        """``new_work`` is set when this process's runner has something to do; None if it has no runner."""
        self._database = database
        self._files = files
        self._new_work = new_work

    async def create(self, principal: Principal, new: NewBatch) -> Batch:
        """Raises ApiError: 400 for an unknown endpoint or a file of another purpose, 404 for an unknown file."""
        _require(principal)
        self.check_endpoint(new.endpoint)
        for file_id in new.input_file_ids:
            self._check_input(await self._input(principal, file_id))
        now = int(time.time())
        row = Batch(
            id=new_id("batch"),
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            api_key_id=principal.api_key_id,
            endpoint=new.endpoint,
            model=new.model,
            input_file_ids=list(new.input_file_ids),
            needs_custom_id=new.needs_custom_id,
            batch_metadata=None if new.metadata is None else dict(new.metadata),
            completion_window=new.completion_window,
            status="validating",
            output_seconds=new.output_seconds,
            total=0,
            succeeded=0,
            failed=0,
            prompt_tokens=0,
            cached_tokens=0,
            completion_tokens=0,
            created_at=now,
            expires_at=now + new.seconds,
            lease_until=0,
        )
        async with self._database.writing(alone=True) as session:
            if await stored.count_open(session, Scope.of_organization(principal)) >= MOST_OPEN:
                raise ApiError(
                    429,
                    "rate_limit_error",
                    f"Your organization has {MOST_OPEN} batch jobs that have not ended, the most at once",
                    code="too_many_batches",
                    retry_after=60,
                    limit=LimitReached("batch_jobs", MOST_OPEN, remaining=0, needed=1, scope="organization"),
                    values={"most": MOST_OPEN},
                )
            await stored.add(session, row)
            await audit.record(session, principal, "batch.created", object_id=row.id, object_name=row.endpoint)
        if self._new_work is not None:
            self._new_work.set()
        return row

    async def keep_inline(self, principal: Principal, lines: Sequence[bytes]) -> StoredFile:
        """Keep requests that came with the job as an input file. Raises ApiError 403, 413."""
        _require(principal)
        file_id, part, most = await self._files.begin(
            principal, sum(len(line) + 1 for line in lines), check_right=False
        )
        kept = False
        try:
            try:
                await asyncio.to_thread(part.add, b"\n".join(lines) + b"\n")
            except OSError as error:
                raise unwritable(error) from error
            if part.size > most:
                raise self._files.too_large(most)
            row = await self._files.keep(
                principal, file_id, part, description=FileDescription(name=INLINE_NAME, purpose="batch")
            )
            kept = True
            return row
        finally:
            if not kept:
                part.discard()

    def check_endpoint(self, endpoint: str) -> None:
        if endpoint not in ENDPOINTS:
            raise invalid(
                f"A batch job can't ask '{endpoint[:100]}': the endpoints are {', '.join(sorted(ENDPOINTS))}",
                param="endpoint",
                code="invalid_endpoint",
                values={"value": endpoint[:100], "allowed": ", ".join(sorted(ENDPOINTS))},
            )

    async def get(self, principal: Principal, batch_id: str) -> Batch:
        _require(principal)
        async with self._database.reading() as session:
            batch = await stored.by_id(session, principal, batch_id)
        if batch is None:
            raise no_such("batch job", batch_id)
        return batch

    async def page(
        self,
        principal: Principal,
        criteria: BatchFilter = BatchFilter(),
        *,
        after: str | None = None,
        offset: int = 0,
        limit: int,
        oldest_first: bool = False,
    ) -> list[Batch]:
        _require(principal)
        async with self._database.reading() as session:
            return await stored.newest_first(
                session, principal, criteria, after=after, offset=offset, limit=limit, oldest_first=oldest_first
            )

    async def count(self, principal: Principal, criteria: BatchFilter) -> int:
        _require(principal)
        async with self._database.reading() as session:
            return await stored.count(session, principal, criteria)

    async def cancel(self, principal: Principal, batch_id: str) -> Batch:
        """Raises ApiError 409 for a job that has ended, unless it was cancelled."""
        batch = await self.get(principal, batch_id)
        async with self._database.writing() as session:
            scope = Scope.of_organization(principal)
            changed = await stored.request_cancellation(session, scope, batch_id, now=int(time.time()))
            if changed:
                await audit.record(
                    session, principal, "batch.cancelled", object_id=batch_id, object_name=batch.endpoint
                )
        batch = await self.get(principal, batch_id)
        if not changed and batch.status not in ("cancelling", "cancelled") and batch.outcome != "cancelled":
            raise ApiError(
                409,
                "invalid_request_error",
                f"The batch job '{batch_id}' can't be cancelled any more: it is {batch.status}",
                code="batch_ended",
            )
        if self._new_work is not None:
            self._new_work.set()
        return batch

    async def delete(self, principal: Principal, batch_id: str) -> None:
        """Delete a job; its files stay. Raises ApiError 409 if it has not ended."""
        batch = await self.get(principal, batch_id)
        async with self._database.writing() as session:
            if not await stored.remove(session, Scope.of_organization(principal), batch_id):
                raise ApiError(
                    409,
                    "invalid_request_error",
                    f"The batch job '{batch_id}' is {batch.status}: cancel it first, or wait until it has ended",
                    code="batch_not_ended",
                )
            await audit.record(session, principal, "batch.deleted", object_id=batch_id, object_name=batch.endpoint)

    async def _input(self, principal: Principal, file_id: str) -> StoredFile:
        """An input file. A key for batch jobs may read those of its workspace, even without the right to use files."""
        return await self._files.get(principal, file_id, check_right=False)

    def _check_input(self, file: StoredFile) -> None:
        if file.purpose != "batch":
            raise invalid(
                f"The file '{file.id}' is for '{file.purpose}': upload it with the purpose 'batch'",
                param="input_file_id",
                code="invalid_purpose",
                values={"value": str(file.purpose)},
            )


def _require(principal: Principal) -> None:
    require(principal, "batches.use", principal.workspace_role)
