"""``aquilon backup`` and ``aquilon restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from aquilon.settings import Settings

_MOST_SECONDS = 300


def backup(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A new file.", show_default="one in HOME/backups")
    ] = None,
    without_key: Annotated[
        bool,
        typer.Option("--without-key", help="Leave out the key that opens sealed secrets: keep it somewhere else."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write the database and the uploaded files to one archive, also while the server runs.

    \b
    Examples:
      aquilon backup
      aquilon backup --without-key /mnt/backups/saturday.tar
    """
    import asyncio

    from aquilon.cli.homes import require_database
    from aquilon.cli.output import print_json
    from aquilon.storage.backup import back_up

    settings = settings_from(home=home)
    require_database(settings)
    archive = asyncio.run(back_up(settings, file, with_key=not without_key))
    if as_json:
        print_json({"file": str(archive), "bytes": archive.stat().st_size})
    else:
        print(archive)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `aquilon backup` wrote.", show_default=False)],
    home: Home = None,
) -> None:
    """Put a backup in place of the home's database and files, also while the server runs.

    A running server finishes its answers, takes the backup and goes on; the former database is kept in HOME/backups.

    \b
    Example:
      aquilon restore /mnt/backups/saturday.tar
    """
    import asyncio
    import errno
    import os

    from aquilon.storage import restore as restoring
    from aquilon.storage.backup import check_place
    from aquilon.web.running import HomeInUse, own_home

    settings = settings_from(home=home)
    asyncio.run(check_place(settings))
    if not file.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))  # before a home is made for it
    restoring.stage(settings, file)
    try:
        with own_home(settings.home):
            asyncio.run(restoring.complete(settings))
    except HomeInUse:
        _restore_in_running_server(settings)
    print(f"Restored {file}")


def _restore_in_running_server(settings: Settings) -> None:
    """Have the server take the staged backup, and wait until it has. Raises CommandError."""
    import os
    import time

    from aquilon.cli.errors import CommandError
    from aquilon.storage import restore as restoring
    from aquilon.web.running import REOPEN_SIGNAL, running_server

    server = running_server(settings.home)
    if server is None:
        raise CommandError("The server is just starting or stopping: run the command again")
    os.kill(server.pid, REOPEN_SIGNAL)
    end = time.monotonic() + _MOST_SECONDS
    while restoring.is_staged(settings):
        if running_server(settings.home) is None:
            raise CommandError("The server ended; its log has the reason. The backup is put in place when it starts")
        if time.monotonic() > end:
            raise CommandError(
                f"The server has not taken the backup within {_MOST_SECONDS} seconds; its log has the reason"
            )
        time.sleep(0.05)
