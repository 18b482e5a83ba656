"""Databases of each kind that Aquilon speaks, and of each revision that it had."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from aquilon.platform.storage import migrations

POSTGRESQL_FOLDERS = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")]


def upgrade_to(connection: Connection, revision: str) -> None:
    """Run the history up to ``revision``."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def postgresql_programs() -> Path | None:
    """The folder with initdb and pg_ctl, or None where PostgreSQL's server isn't installed."""
    found = shutil.which("initdb")
    if found is not None and shutil.which("pg_ctl") is not None:
        return Path(found).parent
    return next((folder for folder in POSTGRESQL_FOLDERS if (folder / "initdb").exists()), None)


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """A PostgreSQL server of our own on a Unix socket; gives the socket's folder. Its user is ``aquilon``.

    Started as ``nobody`` where we are root, which PostgreSQL refuses to run as.
    """
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="aquilon-pg-", dir="/tmp") as folder:
        if root:
            shutil.chown(folder, "nobody")

        def execute(*arguments: str) -> None:
            done = subprocess.run(
                arguments,
                user="nobody" if root else None,
                cwd=folder,
                env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            if done.returncode:
                raise RuntimeError(f"{arguments[0]} failed: {done.stderr.decode()}")

        data = f"{folder}/data"
        execute(
            f"{programs}/initdb", "--pgdata", data, "--username", "aquilon", "--auth", "trust", "--encoding", "UTF8"
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c shared_buffers=16MB"
        execute(f"{programs}/pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "--wait", "start")
        try:
            yield folder
        finally:
            execute(f"{programs}/pg_ctl", "-D", data, "--mode", "immediate", "--wait", "stop")
