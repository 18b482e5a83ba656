"""The pulls of this server: starts, watches and stops them, and keeps their records beside the models."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from aquilon.catalogue.pull_record import Pull, PullDone, PullFailed, PullOrder, PullProgress, PullReport, PullState
from aquilon.errors import ApiError, invalid, not_found
from aquilon.log import get_logger
from aquilon.people.secrets import new_id

MOST_RUNNING = 2
MOST_REMEMBERED = 50
_STOP_SECONDS = 3.0
_MOST_ERROR_CHARACTERS = 400

log = get_logger("aquilon.pulls")


@dataclass
class _Running:
    process: asyncio.subprocess.Process
    watching: asyncio.Task[None] | None = None
    reported: asyncio.Event = field(default_factory=asyncio.Event)
    """The next report, or the end."""
    cancelled: bool = False
    stopping: bool = False
    """Whether the pull stops because the server ends, not because somebody cancelled it."""

    def report(self) -> None:
        """Wake everybody who follows the pull."""
        self.reported.set()
        self.reported = asyncio.Event()


class Pulls:
    """``records`` is the file that keeps the pulls; ``on_done`` is called with the name of each pulled model."""

    def __init__(self, store: Path | None, records: Path, on_done: Callable[[str], None] = lambda _: None) -> None:
        """Without a store the server is a gateway, and nothing can be pulled."""
        self._store = store
        self._records = records
        self._on_done = on_done
        self._running: dict[str, _Running] = {}
        self._pulls: dict[str, Pull] | None = None

    def all(self) -> list[Pull]:
        """All known pulls, the newest first."""
        return sorted(self._known().values(), key=lambda pull: (pull.started_at, pull.id), reverse=True)

    def get(self, id_: str) -> Pull:
        """Raises ApiError 404."""
        pull = self._known().get(id_)
        if pull is None:
            raise not_found(f"There is no pull '{id_[:100]}'", code="pull_not_found")
        return pull

    async def start(self, order: PullOrder, started_by: str) -> Pull:
        """Start a pull. Raises ApiError: 400 without a store, 409 if two pulls run already."""
        if self._store is None:
            raise invalid("This server runs as a gateway only: it keeps no models of its own", code="gateway_only")
        if len(self._running) >= MOST_RUNNING:
            raise ApiError(
                409,
                "invalid_request_error",
                f"{MOST_RUNNING} pulls run already: wait for one to end, or cancel it",
                code="too_many_pulls",
                values={"most": MOST_RUNNING},
            )
        pull = Pull(
            id=new_id("pull"),
            source=order.source,
            name=order.name,
            file=order.file,
            state="running",
            started_at=int(time.time()),
            started_by=started_by,
        )
        order = msgspec.structs.replace(order, store=str(self._store))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "aquilon.catalogue.pull_process",
            msgspec.json.encode(order).decode(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at the terminal reaches only the server, which then stops the pull
        )
        self._known()[pull.id] = pull
        running = self._running[pull.id] = _Running(process)
        running.watching = asyncio.create_task(self._watch(pull, running))
        self._remember()
        return pull

    async def cancel(self, id_: str) -> Pull:
        """Stop a pull. A later pull resumes from what it has fetched if the source allows it. Raises ApiError 404."""
        pull = self.get(id_)
        running = self._running.get(id_)
        if running is not None:
            running.cancelled = True
            await self._end(running)
        return pull

    async def follow(self, id_: str) -> AsyncGenerator[Pull]:
        """The pull now, after each report of its process, and when it has ended. Raises ApiError 404."""
        pull = self.get(id_)
        yield pull
        while (running := self._running.get(id_)) is not None:
            await running.reported.wait()
            yield pull

    async def close(self) -> None:
        """Stop all running pulls; they count as interrupted."""
        for running in self._running.values():
            running.stopping = True
        await asyncio.gather(*(self._end(running) for running in list(self._running.values())))

    async def _end(self, running: _Running) -> None:
        assert running.process.stdin is not None
        assert running.watching is not None
        running.process.stdin.close()
        done, _ = await asyncio.wait({running.watching}, timeout=_STOP_SECONDS)
        if not done:
            with contextlib.suppress(ProcessLookupError):
                running.process.kill()
            await asyncio.wait({running.watching})

    async def _watch(self, pull: Pull, running: _Running) -> None:
        process = running.process
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        async for line in process.stdout:
            with contextlib.suppress(msgspec.MsgspecError):
                self._note(pull, msgspec.json.decode(line, type=PullReport))
                running.report()
        error_output = (await errors).decode(errors="replace").strip()
        status = await process.wait()
        if pull.model is not None:
            self._settle(pull, "done")
            self._on_done(pull.model)
        elif running.cancelled or running.stopping:
            self._settle(pull, "cancelled" if running.cancelled else "interrupted")
        else:
            if pull.error is None:
                log.error("A pull ended without a word", source=pull.source, status=status, said=error_output[-2000:])
                pull.error = error_output[-_MOST_ERROR_CHARACTERS:] or f"its process ended with status {status}"
            self._settle(pull, "failed")
        del self._running[pull.id]
        running.report()

    def _note(self, pull: Pull, report: PullReport) -> None:
        if isinstance(report, PullProgress):
            pull.phase, pull.current_file = report.phase, report.file
            pull.done_bytes, pull.total_bytes = report.done, report.total
        elif isinstance(report, PullDone):
            pull.model = report.model
        elif isinstance(report, PullFailed):
            pull.error = report.message

    def _settle(self, pull: Pull, state: PullState) -> None:
        pull.state = state
        pull.ended_at = int(time.time())
        log.info("pull", source=pull.source, state=state, model=pull.model, error=pull.error)
        self._remember()

    def _known(self) -> dict[str, Pull]:
        if self._pulls is None:
            try:
                pulls = msgspec.json.decode(self._records.read_bytes(), type=list[Pull])
            except (OSError, msgspec.MsgspecError):
                pulls = []
            for pull in pulls:
                if pull.state == "running":  # a home has one server at a time, so its server has ended
                    pull.state = "interrupted"
            self._pulls = {pull.id: pull for pull in pulls}
        return self._pulls

    def _remember(self) -> None:
        pulls = self._known()
        ended = [pull for pull in reversed(self.all()) if pull.id not in self._running]
        for pull in ended[: max(0, len(pulls) - MOST_REMEMBERED)]:
            del pulls[pull.id]
        temporary = self._records.with_suffix(".new")
        with contextlib.suppress(OSError):  # if the disk is full, only the list is lost
            temporary.write_bytes(msgspec.json.encode(self.all()))
            os.chmod(temporary, 0o600)
            temporary.replace(self._records)
