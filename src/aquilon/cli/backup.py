"""``aquilon backup`` and ``aquilon restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aquilon.cli.options import AsJson, Home, settings_from


def backup(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A new file.", show_default="one in HOME/backups")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write the database and the uploaded files to one archive, also while the server runs."""
    from aquilon.cli.output import print_json
    from aquilon.platform.storage.backup import back_up

    written = back_up(settings_from(home=home), file)
    if as_json:
        print_json({"file": str(written), "bytes": written.stat().st_size})
    else:
        print(written)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `aquilon backup` wrote.", show_default=False)],
    home: Home = None,
) -> None:
    """Put a backup in place of the home's database and files, while no server runs; those are kept in HOME/backups."""
    from aquilon.platform.storage import backup as backups
    from aquilon.web.running import own_home

    settings = settings_from(home=home)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with own_home(settings.home):
        backups.restore(settings, file)
    print(f"Restored {file}")
