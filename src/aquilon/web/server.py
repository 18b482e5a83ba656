"""The server process from its first line to its last: database, engine, models, HTTP, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
import uvicorn

from aquilon.catalogue.catalogue import Catalogue, LocalModel
from aquilon.checkpoints.store import ModelStore
from aquilon.engine.client import Engine, EngineError
from aquilon.engine.options import EngineOptions
from aquilon.errors import ApiError
from aquilon.people.first_run import FirstRun, prepare_first_run
from aquilon.settings import DEFAULT_MODEL, Settings
from aquilon.storage import Database, DatabaseError, restore
from aquilon.web.app import create_app
from aquilon.web.connection import Connection
from aquilon.web.logs import configure
from aquilon.web.retention import keep_pruned, prunings
from aquilon.web.running import REOPEN_SIGNAL, RunningServer, ServerError, own_home

NO_MODEL = "none"
"""As the only model's name: run without an engine."""

_DRAIN_SECONDS = 4.0
"""Running requests may go on this long after SIGTERM; then they end with an error event."""
_CLOSE_SECONDS = 7
"""After this, connections are cut."""

log = structlog.get_logger("aquilon.server")


class PortTaken(ServerError):
    pass


@dataclass(frozen=True)
class Listening:
    """Connections are accepted; ``/health`` answers, ``/ready`` does not yet."""

    url: str


@dataclass(frozen=True)
class FirstStart:
    """Shown once and never stored."""

    accounts: FirstRun
    login_link: str


@dataclass(frozen=True)
class ModelLoading:
    name: str
    progress: float
    """0 to 1."""


@dataclass(frozen=True)
class Ready:
    url: str
    models: tuple[str, ...]
    """The default first."""
    seconds: float
    """Since ``run`` was called."""


@dataclass(frozen=True)
class Stopping:
    unfinished: int
    """Answers that still run, here or at upstreams, and are waited for."""


Report = Listening | FirstStart | ModelLoading | Ready | Stopping
Reporter = Callable[[Report], None]


def run(settings: Settings, report: Reporter = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT. ``settings.models`` are names in the store, ``none`` for no engine.

    Raises ServerError where the port is taken, the home is in use, the database is
    unusable, or a model is missing or doesn't load.
    """
    configure(settings.log_level)
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(serve(settings, report))


async def serve(settings: Settings, report: Reporter) -> None:
    begun = time.monotonic()
    with _listen(settings) as listener, own_home(settings.home) as announce:
        url = _url(settings.host, listener.getsockname()[1])
        server: _Server | None = None
        while server is None or server.again:
            try:
                await restore.complete(settings)
                database = await Database.open(settings)
            except DatabaseError as error:
                raise ServerError(str(error)) from error
            try:
                first = await prepare_first_run(database)
                if first is not None:
                    report(FirstStart(first, f"{url}/#login={first.login_token}"))
                if server is None or server.again:
                    server = _Server(settings, database, report, begun)
                    await server.serve(listener.dup(), url, announce)
            finally:
                await database.close()


class _Server:
    def __init__(self, settings: Settings, database: Database, report: Reporter, begun: float) -> None:
        self._settings = settings
        self._database = database
        self._report = report
        self._begun = begun
        self._stop = asyncio.Event()
        self.again = False
        """Whether all is to be opened anew, with a backup that was staged; connections that come meanwhile wait."""
        self._gateway = settings.models == [NO_MODEL]
        names = [] if self._gateway else settings.models or [DEFAULT_MODEL]
        self._catalogue = Catalogue(
            None if self._gateway else ModelStore(settings.models_folder),
            names=names,
            aliases=settings.model_aliases,
            database=database,
        )
        self._cards = self._find(names)
        self._engine = Engine(
            EngineOptions(
                dtype=settings.dtype,
                quantize=settings.quantize,
                memory=settings.memory,
                log_level=settings.log_level,
            )
        )
        try:
            app = create_app(
                settings,
                engine=self._engine,
                catalogue=self._catalogue,
                database=database,
                startup_models=[card.name for card in self._cards],
            )
        except ValueError as error:  # settings that can't go together
            raise ServerError(str(error)) from error
        self._houses = (app.state.services.local_models, app.state.services.upstream_models)
        self._job_runner = app.state.services.job_runner
        self._prunings = prunings(database, app.state.services.files, settings)
        self._admission = app.state.services.admission
        self._usage_writer = app.state.services.usage_writer
        self._upstreams = app.state.services.upstreams
        self._pulls = app.state.services.pulls
        self._started = app.state.services.started
        self._local_embeddings = app.state.services.local_embeddings
        self._moderation = app.state.services.moderation
        self._http = _Uvicorn(
            uvicorn.Config(
                app,
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=65,
                timeout_graceful_shutdown=_CLOSE_SECONDS,
            )
        )

    async def serve(self, listener: socket.socket, url: str, announce: Callable[[RunningServer], None]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, REOPEN_SIGNAL):
            loop.add_signal_handler(number, self._end, number)
        http = asyncio.create_task(self._http.serve(sockets=[listener]))
        pruning = asyncio.create_task(keep_pruned(self._prunings, stop=self._stop))
        following = asyncio.create_task(self._upstreams.keep_fresh(self._stop))
        jobs: asyncio.Task[None] | None = None
        try:
            await self._upstreams.refresh()
            self._database.listen()
            await self._admission.start()
            if not self._gateway:
                await self._engine.start()
            announce(RunningServer(url, os.getpid()))
            self._report(Listening(url))
            jobs = asyncio.create_task(self._job_runner.run(self._stop))
            await self._until_stopped(http, asyncio.create_task(self._load(url)))
            self._report(Stopping(sum(house.unfinished for house in self._houses)))
        finally:
            self._stop.set()
            self._http.should_exit = True
            if jobs is not None:
                await jobs
            await asyncio.wait({http}, timeout=_DRAIN_SECONDS)
            # What still runs ends with an error event, and with it the last connections.
            await asyncio.gather(self._engine.stop(), self._local_embeddings.close(), self._upstreams.close())
            await http
            await asyncio.gather(pruning, following, self._pulls.close(), self._moderation.close())
            await self._usage_writer.close()
            await self._admission.close()

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
        """Load the models that were named, one after the other, the default first."""
        for card in self._cards:
            loading = asyncio.create_task(
                self._engine.load(
                    card.name, card.path, lambda state: self._report(ModelLoading(state.name, state.progress))
                )
            )
            try:
                await self._catalogue.text(card)  # reads its files while the engine process starts
                await loading
            except (EngineError, ValueError, OSError) as error:
                raise ServerError(f"The model '{card.name}' can't be served: {error}") from error
            finally:
                loading.cancel()
        self._started.set()
        _freeze()
        names = tuple(card.name for card in self._cards)
        self._report(Ready(url, names, time.monotonic() - self._begun))

    def _find(self, names: list[str]) -> list[LocalModel]:
        try:
            return [self._catalogue.named(name) for name in names]
        except ApiError as error:
            raise ServerError(error.message) from error


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn would end the process by the signal again, in place of status 0."""
        yield


def _freeze() -> None:
    """Take what was imported and made so far out of garbage collection: each full one would stop all answers for it."""
    gc.collect()
    gc.freeze()


def _event_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ServerError(f"'{host}' is no address to listen on: {error.strerror or error}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if isinstance(error, PermissionError):
            raise ServerError(f"Port {port} needs more rights than this user has: try --port 8080") from error
        raise PortTaken(
            f"Port {port} on {host} is taken, perhaps by another Aquilon: stop what uses it, or try --port {port + 1}"
        ) from error
    return listener


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"
