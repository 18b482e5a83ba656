"""The pulls of this server: begun, watched, stopped, and remembered beside the models."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from aquilon.catalogue.pull_record import Pull, PullDone, PullFailed, PullOrder, PullProgress, PullReport, PullState
from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.secrets import new_id

MOST_RUNNING = 2
MOST_REMEMBERED = 50
_STOP_SECONDS = 3.0
_LAST_WORDS = 400

log = structlog.get_logger("aquilon.pulls")


@dataclass
class _Running:
    process: asyncio.subprocess.Process
    watching: asyncio.Task[None] | None = None
    cancelled: bool = False
    stopping: bool = field(default=False)
    """The server ends: the pull is not the person's who asked to give up."""


class Pulls:
    """``memory`` is the file that outlives the process; ``on_done`` is told of each model that came."""

    def __init__(self, store: Path | None, memory: Path, on_done: Callable[[str], None] = lambda _: None) -> None:
        """Without a store nothing can be pulled: the server is a gateway."""
        self._store = store
        self._memory = memory
        self._on_done = on_done
        self._running: dict[str, _Running] = {}
        self._pulls: dict[str, Pull] | None = None

    def all(self) -> list[Pull]:
        """The newest first."""
        return sorted(self._known().values(), key=lambda pull: (pull.started_at, pull.id), reverse=True)

    def get(self, id_: str) -> Pull:
        """Raises ApiError 404."""
        found = self._known().get(id_)
        if found is None:
            raise not_found(f"There is no pull '{id_[:100]}'", code="pull_not_found")
        return found

    async def start(self, order: PullOrder, started_by: str) -> Pull:
        """Begin to pull. Raises ApiError: 400 without a store, 409 where two pulls run already."""
        if self._store is None:
            raise invalid("This server runs as a gateway only: it keeps no models of its own")
        if len(self._running) >= MOST_RUNNING:
            raise ApiError(
                409,
                "invalid_request_error",
                f"{MOST_RUNNING} pulls run already: wait for one to end, or cancel it",
                code="too_many_pulls",
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
            start_new_session=True,  # a Ctrl-C at the terminal is for the server, which then ends this
        )
        self._known()[pull.id] = pull
        running = self._running[pull.id] = _Running(process)
        running.watching = asyncio.create_task(self._watch(pull, running))
        self._remember()
        return pull

    async def cancel(self, id_: str) -> Pull:
        """Stop a pull; what it has fetched stays for a later one where its source allows it. Raises ApiError 404."""
        pull = self.get(id_)
        running = self._running.get(id_)
        if running is not None:
            running.cancelled = True
            await self._end(running)
        return pull

    async def close(self) -> None:
        """Stop all that run: after a restart they are told to be interrupted."""
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
        said = (await errors).decode(errors="replace").strip()
        status = await process.wait()
        if pull.model is not None:
            self._settle(pull, "done")
            self._on_done(pull.model)
        elif running.cancelled or running.stopping:
            self._settle(pull, "cancelled" if running.cancelled else "interrupted")
        else:
            if pull.error is None:
                log.error("A pull ended without a word", source=pull.source, status=status, said=said[-2000:])
                pull.error = said[-_LAST_WORDS:] or f"its process ended with status {status}"
            self._settle(pull, "failed")
        del self._running[pull.id]

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
                found = msgspec.json.decode(self._memory.read_bytes(), type=list[Pull])
            except (OSError, msgspec.MsgspecError):
                found = []
            for pull in found:
                if pull.state == "running":  # whoever ran it is gone: a home has one server at a time
                    pull.state = "interrupted"
            self._pulls = {pull.id: pull for pull in found}
        return self._pulls

    def _remember(self) -> None:
        pulls = self._known()
        ended = [pull for pull in reversed(self.all()) if pull.id not in self._running]
        for pull in ended[: max(0, len(pulls) - MOST_REMEMBERED)]:
            del pulls[pull.id]
        temporary = self._memory.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk loses the list, not a model
            temporary.write_bytes(msgspec.json.encode(self.all()))
            os.chmod(temporary, 0o600)
            temporary.replace(self._memory)
