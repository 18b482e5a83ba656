"""The server process: takes the port and the home, opens the database, and serves."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

from aquilon.log import get_logger
from aquilon.people.first_run import prepare_first_run
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError, restore
from aquilon.web.logs import configure
from aquilon.web.reports import FirstStart, Reporter
from aquilon.web.running import ServerError, others_who_read, own_home

if TYPE_CHECKING:
    from aquilon.web.serving import Server

log = get_logger("aquilon.server")


class PortTaken(ServerError):
    pass


def run(settings: Settings, report: Reporter = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT. ``settings.models`` are names in the store, ``none`` for no engine.

    Raises ServerError if the port is taken, the home is in use, the database can't be used,
    or a model is missing or can't be loaded.
    """
    configure(settings.log_level)
    os.umask(0o077)  # only this user may read its files
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(serve(settings, report))


async def serve(settings: Settings, report: Reporter) -> None:
    """As `run`, on the running event loop."""
    started = time.monotonic()
    with _listen(settings) as listener, own_home(settings.home) as announce:
        url = _url(settings.host, listener.getsockname()[1])
        if readers := others_who_read(settings.home):
            log.warning(
                f"The home can be read by {readers}", home=str(settings.home), advice=f"chmod go-rwx {settings.home}"
            )
        server: Server | None = None
        while server is None or server.again:
            try:
                await restore.complete(settings)
                database = await Database.open(settings)
            except DatabaseError as error:
                raise ServerError(str(error)) from error
            try:
                first = await prepare_first_run(database, settings.organization)
                if first is not None:
                    report(FirstStart(first, f"{url}/#login={first.login_token}"))
                from aquilon.web.serving import Server  # once people see the link of a first start

                if server is None or server.again:
                    server = Server(settings, database, report=report, started=started)
                    await server.serve(listener.dup(), url, announce)
            finally:
                await database.close()


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
        raise ServerError(f"The server can't listen on '{host}': {error.strerror or error}") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if isinstance(error, PermissionError):
            raise ServerError(
                f"Port {port} needs more rights than this user has: use another port, such as --port 8080"
            ) from error
        raise PortTaken(
            f"Port {port} on {host} is taken, perhaps by another Aquilon: stop the program that uses it, "
            f"or use --port {port + 1}"
        ) from error
    return listener


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"
