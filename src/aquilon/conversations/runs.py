"""Runs: answers that belong to the server. Any number of readers follow one; it goes on when they leave."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress

import msgspec
from sqlalchemy.exc import DBAPIError, IntegrityError

from aquilon.conversations.first_words import name_by_question
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import encoded
from aquilon.conversations.live_run import LiveRun, RunRequest
from aquilon.conversations.recovery import end_abandoned
from aquilon.conversations.replay import events_of_items
from aquilon.conversations.run import RunEnded, RunError, RunEvent, decoded_events
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.store.items import OPEN_RUNS, Place
from aquilon.conversations.tables import StoredItem, StoredRun
from aquilon.errors import ApiError, not_found, overloaded, server_error
from aquilon.generation.pipeline import Pipeline
from aquilon.log import get_logger
from aquilon.money.usage_event import Outcome, Usage
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.request import Delta, ToolCallDelta
from aquilon.storage import Database
from aquilon.storage.rows import write
from aquilon.storage.unwritable import untranslatable, unwritable

NOTE_SECONDS = 0.25
"""How often what came of the running answers is written, none before it is as old as this: most are never noted.

A process that is killed loses at most twice this much of them.
"""
_LOOK_SECONDS = 0.2
"""How often a reader looks for the events of a run that another process computes."""
_PLACE_TRIES = 8
"""How often a place is looked for again that other writers took."""
_CANCEL_SECONDS = 5.0
EVENTS_SECONDS = 3600
"""How long the events of a run that has ended are kept, for readers who come back."""
_PRUNED_AT_ONCE = 200
REQUEST_ARRIVED = "request_arrived"
"""The code of the error for a request that began a run meanwhile, under the same id of its client's."""
MOST_RUNS = 5_000
"""At once in one process: nobody waits for an answer in the background, so that its connection bounds nothing."""
_RETRY_AFTER = 5

_UNRECORDED = RunError(503, "overloaded", "overloaded", "Usage could not be recorded, so the answer counts as failed")

log = get_logger("aquilon.runs")


class Runs:
    def __init__(self, database: Database, pipeline: Pipeline, histories: Histories, *, process_id: str) -> None:
        """``process_id``: as in ``api_processes``, if several processes share the database."""
        self._database = database
        self._pipeline = pipeline
        self._histories = histories
        self.process_id = process_id
        self._live: dict[str, LiveRun] = {}
        self._noting: asyncio.Task[None] | None = None

    @property
    def unfinished(self) -> int:
        return len(self._live)

    async def start(
        self, request: RunRequest, principal: Principal, *, headers: MutableMapping[str, str] | None = None
    ) -> LiveRun:
        """Begin to answer; returns when the run and its input are stored.

        Raises ApiError: as `Pipeline.answer` does before its first event, 404 if the
        conversation or the item above the input was deleted meanwhile, 409 `REQUEST_ARRIVED`.
        """
        if len(self._live) >= MOST_RUNS:
            raise overloaded("Too many answers are being written; try again in a moment", retry_after=_RETRY_AFTER)
        charge = await self._pipeline.admit([request.prepared], principal, request_id=request.id, headers=headers)
        run = LiveRun(request, principal, charge, int(time.time()), self.process_id)
        self._live[run.id] = run
        run.stored = asyncio.create_task(self._store(run))
        run.computing = asyncio.create_task(self._compute(run))
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._keep_noting())
        try:
            await asyncio.shield(run.stored)
        except Exception:
            run.cancel()
            raise
        return run

    async def stored(self, principal: Principal, run_id: str) -> StoredRun | None:
        """A run of a conversation that the caller may see. Raises DBAPIError."""
        async with self._database.reading() as session:
            return await stored_runs.by_id(session, principal, run_id)

    async def of_request(self, principal: Principal, conversation_id: str, request_id: str | None) -> StoredRun | None:
        """The run that a client's request began; None if it began none, or the caller may not see it.

        Raises DBAPIError.
        """
        if request_id is None:
            return None
        async with self._database.reading() as session:
            return await stored_runs.of_request(session, principal, conversation_id, request_id)

    async def required(self, principal: Principal, run_id: str, *, kind: str, dialect: str | None = None) -> StoredRun:
        """A run, whose answers are called ``kind``: one that was asked in this dialect, or in any.

        Raises ApiError 404.
        """
        run = await self.stored(principal, run_id)
        if run is None or dialect not in (None, run.dialect):
            raise not_found(
                f"There is no {kind} '{run_id[:100]}': it was not stored, or it was deleted",
                code=f"{kind.replace(' ', '_')}_not_found",
            )
        return run

    async def page(
        self,
        principal: Principal,
        *,
        dialect: str,
        labels: Mapping[str, str],
        model: str | None,
        after: str | None,
        oldest_first: bool,
        limit: int,
    ) -> tuple[list[tuple[StoredRun, Sequence[StoredItem]]], bool]:
        """A page of the answers that the caller may see, each with its output, and whether there are more.

        ``labels``: those that an answer must have.
        """
        async with self._database.reading() as session:
            runs = await stored_runs.page(
                session,
                principal,
                dialect=dialect,
                labels=labels,
                model=model,
                after=after,
                oldest_first=oldest_first,
                limit=limit + 1,
            )
            outputs = await stored_runs.outputs_of(session, principal, [run.id for run in runs[:limit]])
        return [(run, outputs[run.id]) for run in runs[:limit]], len(runs) > limit

    async def label(self, principal: Principal, run: StoredRun, labels: Mapping[str, str]) -> None:
        """Replace the labels of a run that the caller may see."""
        async with self._database.writing() as session:
            encoded_labels = msgspec.json.encode(labels).decode()
            await stored_runs.label(session, Scope.of_organization(principal), run.id, encoded_labels)

    def live(self, run_id: str) -> LiveRun | None:
        """The run, if this process computes it. The caller has checked that it may be seen."""
        return self._live.get(run_id)

    async def events(self, run: StoredRun, first: int = 0) -> AsyncGenerator[tuple[int, RunEvent]]:
        """A run's events from number ``first`` on, as they come, until the last one.

        Once a run has ended and its events are no longer kept, they are made from its items.
        """
        live = self._live.get(run.id)
        if live is not None:
            async with aclosing(live.log.read(first)) as events:
                async for numbered in events:
                    yield numbered
            return
        number, scope = first, Scope(run.organization_id)
        while True:
            async with self._database.reading() as session:
                status = await session.scalar(
                    scope.select(StoredRun).where(StoredRun.id == run.id).with_only_columns(StoredRun.status)
                )
                rows = await stored_runs.events_from(session, scope, run.id, number=number)
            for row in rows:
                for position, event in enumerate(decoded_events(row.events), row.first):
                    if position >= number:
                        yield position, event
                        number = position + 1
                        if isinstance(event, RunEnded):
                            return
            if status is None:  # it was deleted
                yield number, RunEnded("cancelled", Usage(0, 0))
                return
            if status not in OPEN_RUNS:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        for position, event in enumerate(await self._events_of_items(run)):
            if position >= number:
                yield position, event

    async def cancel(self, principal: Principal, run: StoredRun) -> None:
        """End a run; returns when it has ended. One that has ended stays as it is."""
        await self._end(Scope.of_organization(principal), run)

    async def end_of_person(self, scope: Scope) -> None:
        """End the runs in the conversations of the scope's user; returns when they have ended."""
        async with self._database.reading() as session:
            runs = await stored_runs.open_of_person(session, scope)
        for run in runs:
            await self._end(scope, run)

    async def _end(self, scope: Scope, run: StoredRun) -> None:
        live = self._live.get(run.id)
        if live is not None:
            assert live.computing is not None
            live.cancel()
            await asyncio.wait({live.computing})
            return
        async with self._database.writing() as session:
            if not await stored_runs.request_end(session, scope, run.id):
                return
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS), aclosing(self.events(run)) as events:
                async for _ in events:
                    pass

    async def cancel_all(self, principal: Principal, conversation_ids: Sequence[str]) -> None:
        """End the runs of those of these conversations that the caller may see; returns when they have ended."""
        async with self._database.reading() as session:
            runs = await stored_runs.open_in(session, principal, conversation_ids)
        for run in runs:
            await self.cancel(principal, run)

    async def recover(self) -> int:
        """End the runs whose process is gone, with what it had written of them; returns how many."""
        async with self._database.reading() as session:
            runs = await stored_runs.abandoned(session, self.process_id, alone=not self._database.is_shared)
        for run in runs:
            try:
                await end_abandoned(self._database, run)
            except IntegrityError as error:  # the others end all the same
                log.error("An unfinished answer can't be ended", run=run.id, error=str(error))
        if runs:
            log.warning("Answers that a process left unfinished were ended", runs=len(runs))
        return len(runs)

    async def prune_events(self) -> int:
        """Delete some events of runs that ended a while ago; returns how many rows."""
        async with self._database.writing() as session:
            before = int(time.time()) - EVENTS_SECONDS
            return await stored_runs.forget_events(session, before=before, most=_PRUNED_AT_ONCE)

    async def drain(self, seconds: float) -> None:
        """Wait until all runs have ended, for at most ``seconds``."""
        tasks = {run.computing for run in self._live.values() if run.computing is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def close(self, seconds: float) -> None:
        """The same, and write nothing more. What still runs is ended at the next start."""
        await self.drain(seconds)
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.wait({self._noting})

    async def _store(self, run: LiveRun) -> None:
        place = run.request.place
        for _ in range(_PLACE_TRIES):
            try:
                await write(self._database, run.beginning(place))
                if run.request.names_conversation:
                    await self._name_by_question(run)
                return
            except IntegrityError:
                if run.request.new_conversation is not None:
                    raise
                if await self.of_request(run.principal, place.conversation_id, run.request.request_id) is not None:
                    raise ApiError(
                        409, "invalid_request_error", "This request arrived already", code=REQUEST_ARRIVED
                    ) from None
                place = await self._place_again(run.principal, place)
        raise ApiError(
            409,
            "invalid_request_error",
            "Too many others write to this conversation now: send the request again",
            code="conversation_busy",
        )

    async def _place_again(self, principal: Principal, place: Place) -> Place:
        """The same place after others wrote to it. Raises ApiError 404 if it is gone."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            conversation = await stored_conversations.by_id(session, principal, place.conversation_id)
            if conversation is not None:
                again = await stored_items.place_below(session, scope, conversation, place.parent_id)
                if again is not None:
                    return again
        raise not_found("The conversation was deleted meanwhile", code="conversation_not_found")

    async def _compute(self, run: LiveRun) -> None:
        try:
            outcome, error, ended = await self._generate(run)
            if ended is not None:
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(ended)
            run.log.append(run.ended(outcome, run.charge.usage, error))
            if run.is_stored:
                self._remember(run)
        finally:
            self._live.pop(run.id, None)

    async def _name_by_question(self, run: LiveRun) -> None:
        scope = Scope.of_organization(run.principal)
        try:
            async with self._database.writing() as session:
                conversation = await stored_conversations.by_id(
                    session, run.principal, run.request.place.conversation_id
                )
                if conversation is not None:
                    await name_by_question(session, scope, conversation)
        except (DBAPIError, OSError) as error:  # it is answered all the same
            log.warning("A conversation can't be named by its question now", run=run.id, error=str(error))

    async def _generate(self, run: LiveRun) -> tuple[Outcome, RunError | None, asyncio.Future[None] | None]:
        """Generate to the end. Returns how it ended, why it failed, and what is done when that is stored."""
        charge, failure = run.charge, None
        assert run.stored is not None
        try:
            generation = self._pipeline.generate([run.request.prepared], run.principal, charge)
            footnotes = run.request.footnotes
            async with aclosing(generation if footnotes is None else footnotes.added_to(generation)) as events:
                async for event in events:
                    if isinstance(event, Usage):
                        continue
                    if run.starts_item(event):  # readers hear of the end of an item when it is kept
                        await asyncio.shield(run.stored)
                        await asyncio.shield(asyncio.create_task(self._note([run])))
                    tokens = charge.completion_tokens
                    run.add(event)
                    if isinstance(event, Delta | ToolCallDelta):
                        charge.delivered(tokens)
            run.log.flush()
            await asyncio.shield(run.stored)
            run.completing = True
            async with run.noting:
                await charge.complete(lambda event: run.ending(event, _UNRECORDED))
            return "completed", None, None
        except asyncio.CancelledError:
            outcome: Outcome = "cancelled"
        except Exception as error:
            outcome, failure = "failed", run_error(error)
            charge.failed(error)
        run.completing = True
        run.log.flush()
        await asyncio.wait({run.stored})
        if (unstored := run.stored.exception()) is not None:  # the client got this error, and pays for nothing
            assert isinstance(unstored, Exception)
            outcome, failure, charge.delivered_tokens = "failed", run_error(unstored), None
            charge.failed(unstored)
        async with run.noting:
            return outcome, failure, charge.close(outcome, lambda event: run.ending(event, failure))

    async def _keep_noting(self) -> None:
        """Write what came of all runs, as long as there are any."""
        while self._live:
            await asyncio.sleep(NOTE_SECONDS)
            runs = [run for run in self._live.values() if run.is_stored]
            # what writes finds out by itself that it was deleted; another process may also ask it to end
            asked = runs if self._database.is_shared else [run for run in runs if len(run.log.events) == run.noted]
            if asked:
                await self._end_unwanted(asked)
            due = time.monotonic() - NOTE_SECONDS
            grown = [run for run in runs if run.noted_at <= due and len(run.log.events) > run.noted]
            await self._note([run for run in grown if not run.noting.locked()])

    async def _note(self, runs: Sequence[LiveRun]) -> None:
        """Write what came of these runs. While the database is away, they go on."""
        async with AsyncExitStack() as turns:
            for run in runs:
                await turns.enter_async_context(run.noting)
            await self._write_notes([run for run in runs if not run.completing])

    async def _write_notes(self, runs: Sequence[LiveRun]) -> None:
        numbers = [len(run.log.events) for run in runs]
        try:
            await write(self._database, [row for run in runs for row in run.note()])
        except IntegrityError:  # one was deleted
            if len(runs) == 1:
                runs[0].cancel()
                return
            for run in runs:
                await self._write_notes([run])
        except (DBAPIError, sqlite3.Error, OSError) as error:
            log.warning("Running answers can't be written now", error=str(error))
        else:
            for run, number in zip(runs, numbers, strict=True):
                run.noted, run.noted_at = number, time.monotonic()

    async def _end_unwanted(self, runs: Sequence[LiveRun]) -> None:
        try:
            async with self._database.reading() as session:
                wanted = await stored_runs.wanted(session, [run.id for run in runs])
        except DBAPIError as error:
            log.warning("Running answers can't be looked up now", error=str(error))
            return
        for run in runs:
            if run.id not in wanted:
                run.cancel()

    def _remember(self, run: LiveRun) -> None:
        """The next turn reads no row of this one."""
        place, answer = run.request.place, run.answers[0]
        items = [item for _, item in run.request.input] + [item.item for item in answer.items]
        leaf_id = answer.items[-1].id if answer.items else run.input_leaf
        if leaf_id is None:
            return
        self._histories.grow(place, items, leaf_id=leaf_id, more_bytes=sum(len(encoded(item)) for item in items))

    async def _events_of_items(self, run: StoredRun) -> list[RunEvent]:
        """The events of a run that has ended, each item in one piece."""
        scope = Scope(run.organization_id)
        async with self._database.reading() as session:
            rows = await stored_runs.items_of(session, scope, run.id, output=True)
        return events_of_items(run, rows)


def run_error(error: Exception) -> RunError:
    """What the client is told of a failure. The text of an unexpected exception goes only to the log."""
    if (refusal := untranslatable(error)) is not None:
        error = refusal
    if not isinstance(error, ApiError):
        log.error("unexpected", exc_info=error)
        error = unwritable(error) or server_error(
            "Something went wrong on the server while it wrote this answer; its log has the reason"
        )
    return RunError(error.status, error.type, error.code, error.message)
