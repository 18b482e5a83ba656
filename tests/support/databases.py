"""Database servers for the tests, and schemas of earlier revisions."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from aquilon.storage import migrations

POSTGRESQL_FOLDERS = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")]


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the migrations up to ``revision``."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def postgresql_programs() -> Path | None:
    """The folder with initdb and pg_ctl, or None if PostgreSQL's server isn't installed."""
    initdb = shutil.which("initdb")
    if initdb is not None and shutil.which("pg_ctl") is not None:
        return Path(initdb).parent
    return next((folder for folder in POSTGRESQL_FOLDERS if (folder / "initdb").exists()), None)


@dataclass
class PostgreSQL:
    """A PostgreSQL server on a Unix socket in ``folder``. Its user is ``aquilon``.

    It runs as ``nobody`` if we are root, since PostgreSQL refuses to run as root.
    """

    programs: Path
    folder: str

    @property
    def url(self) -> str:
        return f"postgresql://aquilon@/postgres?host={self.folder}"

    def create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        options = ("--username", "aquilon", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        self._execute("initdb", "--pgdata", f"{self.folder}/data", *options)

    def start(self) -> None:
        # without fsync a crash of the machine would lose data, one of the server alone, as by `stop`, does not
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c shared_buffers=16MB -c fsync=off"
        log = f"{self.folder}/log"
        self._execute("pg_ctl", "-D", f"{self.folder}/data", "-o", options, "-l", log, "--wait", "start")

    def stop(self) -> None:
        """Stop at once, as in a crash."""
        self._execute("pg_ctl", "-D", f"{self.folder}/data", "--mode", "immediate", "--wait", "stop")

    def _execute(self, program: str, *arguments: str) -> None:
        completed = subprocess.run(
            (f"{self.programs}/{program}", *arguments),
            user="nobody" if os.geteuid() == 0 else None,
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if completed.returncode:
            raise RuntimeError(f"{program} failed: {completed.stderr.decode()}")


@contextmanager
def postgresql_server(programs: Path) -> Iterator[PostgreSQL]:
    """A running server, stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="aquilon-pg-", dir="/tmp") as folder:
        server = PostgreSQL(programs, folder)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """The folder of the socket of a running server."""
    with postgresql_server(programs) as server:
        yield server.folder


def redis_program() -> str | None:
    """The path of Redis's server, or None if it isn't installed."""
    return shutil.which("redis-server")


@contextmanager
def redis_server(program: str) -> Iterator[str]:
    """The address of a new Redis server on a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="aquilon-redis-", dir="/tmp") as folder:
        socket = f"{folder}/socket"
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            yield f"redis+unix://{socket}"
        finally:
            process.kill()
            process.wait()
