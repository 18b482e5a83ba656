"""The server over an open database: HTTP, background work, models, and their end in order.

It imports all that answers requests, which takes longer than to open the database.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import Callable

from aquilon.engine.client import EngineError
from aquilon.errors import ApiError
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.web.app import create_app
from aquilon.web.build import build_services
from aquilon.web.database_watch import watch
from aquilon.web.http import CLOSE_SECONDS, HttpServer
from aquilon.web.recovery import keep_recovered
from aquilon.web.reports import Listening, ModelLoading, Ready, Reporter, Stopping
from aquilon.web.retention import keep_pruned, prunings
from aquilon.web.running import REOPEN_SIGNAL, RunningServer, ServerError

_DRAIN_SECONDS = 4.0
"""Running requests may go on for this time after SIGTERM; then they end with an error event."""


class Server:
    """One run of the server over an open database."""

    def __init__(self, settings: Settings, database: Database, *, report: Reporter, started: float) -> None:
        self._settings = settings
        self._database = database
        self._report = report
        self._started = started
        self.again = False
        """Whether the server starts again to restore a staged backup; new connections wait meanwhile."""
        try:
            self._services = services = build_services(settings, database)
        except ValueError as error:  # settings that contradict each other
            raise ServerError(str(error)) from error
        except ApiError as error:  # a model that isn't in the store
            raise ServerError(error.message) from error
        self._stop = services.stopping
        self._app = create_app(services)
        conversations = ("conversations", services.conversations.deletion.prune)
        events = ("events of ended answers", services.runs.prune_events)
        expired = ("documents of expired libraries", services.libraries.prune)
        shares = ("shares", services.shares.prune)
        memories = ("memories", services.memories.prune)
        comparisons = ("comparisons", services.comparisons.prune)
        waiting_list = ("waiting list", services.waiting_list.prune)
        accounts = ("deleted accounts", services.personal_accounts.finish)
        runs = ("runs of fine-tuning jobs", services.fine_tuning_runner.sweep)
        more = (conversations, events, expired, shares, memories, comparisons, waiting_list, accounts, runs)
        self._prunings = prunings(database, services.files, settings, *more)
        self._http = HttpServer(self._app, settings)

    async def serve(self, listener: socket.socket, url: str, announce: Callable[[RunningServer], None]) -> None:
        services, loop = self._services, asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, REOPEN_SIGNAL):
            loop.add_signal_handler(number, self._end, number)
        http = asyncio.create_task(self._http.serve(sockets=[listener]))
        pruning = asyncio.create_task(keep_pruned(self._prunings, stop=self._stop))
        erasing = asyncio.create_task(services.conversations.deletion.erasure.keep(self._stop))
        following = asyncio.create_task(services.upstreams.keep_fresh(self._stop))
        watching = asyncio.create_task(watch(self._database))
        jobs: asyncio.Task[None] | None = None
        recovering: asyncio.Task[None] | None = None
        reading: asyncio.Task[None] | None = None
        tuning: asyncio.Task[None] | None = None
        try:
            await services.upstreams.refresh()
            self._database.listen()
            await services.admission.start()
            if not self._settings.is_gateway:
                await services.engine.start()
            recoveries = (services.runs.recover, services.open_charges.recover)
            recovering = asyncio.create_task(keep_recovered(self._database, recoveries, self._stop))
            announce(RunningServer(url, os.getpid()))
            _freeze()
            self._report(Listening(url))
            jobs = asyncio.create_task(services.job_runner.run(self._app, self._stop))
            reading = asyncio.create_task(services.library_runner.run(self._stop))
            tuning = asyncio.create_task(services.fine_tuning_runner.run(self._stop))
            await self._until_stopped(http, asyncio.create_task(self._load(url)))
            self._report(Stopping(services.local_models.unfinished + services.upstream_models.unfinished))
        finally:
            self._stop.set()
            watching.cancel()
            self._http.should_exit = True
            for background_work in (jobs, reading):
                if background_work is not None:
                    await background_work
            background = asyncio.create_task(services.runs.drain(_DRAIN_SECONDS))  # answers without a connection
            await asyncio.wait({http, background}, timeout=_DRAIN_SECONDS)
            # Answers that still run now end with an error event, and then the last connections end.
            await asyncio.gather(services.engine.stop(), services.local_embeddings.close(), services.upstreams.close())
            await http
            await services.runs.close(CLOSE_SECONDS)
            for running in (recovering, tuning):
                if running is not None:
                    await running
            await asyncio.gather(pruning, erasing, following, services.pulls.close(), services.moderation.close())
            await services.usage_writer.close()
            await services.admission.close()

    def _end(self, number: signal.Signals) -> None:
        self.again = number == REOPEN_SIGNAL and (self.again or not self._stop.is_set())
        self._stop.set()

    async def _until_stopped(self, http: asyncio.Task[None], loading: asyncio.Task[None]) -> None:
        stopping = asyncio.create_task(self._stop.wait())
        waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {http, loading, stopping}
        try:
            while not stopping.done() and not http.done():
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if loading.done():
                    loading.result()
                    waiting.discard(loading)
        finally:
            loading.cancel()
            stopping.cancel()

    async def _load(self, url: str) -> None:
        """Load the models of the settings, one after the other, the default first."""
        services = self._services
        for card in services.startup_models:
            loading = asyncio.create_task(
                services.engine.load(
                    card.name, card.path, lambda state: self._report(ModelLoading(state.name, state.progress))
                )
            )
            try:
                await services.texts.get(card)  # reads its files while the engine process starts
                await loading
            except (EngineError, ValueError, OSError) as error:
                raise ServerError(f"The model '{card.name}' can't be served: {error}") from error
            finally:
                loading.cancel()
        services.started.set()
        _freeze()
        names = tuple(card.name for card in services.startup_models)
        self._report(Ready(url, names, time.monotonic() - self._started))


def _freeze() -> None:
    """Exclude all present objects from garbage collection: each full collection would pause all answers.

    What a start leaves behind is frozen too: it is less than 1 MB, and looking for it would take 0.1 s.
    """
    gc.freeze()
    gc.enable()
