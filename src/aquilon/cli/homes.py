"""Which folder is a home, and which one somebody meant who named another: only ``aquilon up``, ``pull`` and
``restore`` begin one."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aquilon.cli.errors import CommandError

if TYPE_CHECKING:
    from aquilon.settings import Settings

_CONTENT = ("aquilon.db", "server.lock", "models", "aquilon.toml")
"""What a start, a pull or its operator leaves in a home."""
_LEAST_LIKENESS = 0.7
_MOST_PLACES = 20
"""Folders of a like name that are looked into, at each level."""


class NoHome(CommandError):
    """There is no home where one was named, or no database in it; the message names the nearest one there is."""


def require_home(settings: Settings) -> None:
    """Raises NoHome where nothing was begun."""
    if not is_home(settings.home):
        raise NoHome(f"There is no Aquilon home at {settings.home}: {_way_out(settings)}")


def require_database(settings: Settings) -> None:
    """Raises NoHome where a SQLite database isn't there; a server's database is asked when it is opened."""
    from aquilon.storage.backup import sqlite_file

    file = sqlite_file(settings)
    if file is None or file.exists():
        return
    if settings.database_url is None:
        require_home(settings)
    raise NoHome(f"There is no database at {file}: {_way_out(settings)}")


def is_home(folder: Path) -> bool:
    try:
        return any((folder / name).exists() for name in _CONTENT)
    except OSError:  # a folder that this user may not look into
        return False


def nearest_home(settings: Settings) -> Path | None:
    """The home whose path is written most like this one's; None where no home's is."""
    alike = [folder for folder in _alike(settings.home) if is_home(folder) and folder != settings.home]
    wanted = str(settings.home)
    return max(alike, key=lambda folder: difflib.SequenceMatcher(None, wanted, str(folder)).ratio(), default=None)


def _way_out(settings: Settings) -> str:
    usual = Path(type(settings).model_fields["home"].default).expanduser()
    option = "" if settings.home == usual else f" --home {shlex.quote(str(settings.home))}"
    begin = f"the first start of `aquilon up{option}` makes it"
    nearest = nearest_home(settings) or (usual if usual != settings.home and is_home(usual) else None)
    return begin if nearest is None else f"did you mean --home {shlex.quote(str(nearest))}? If not, {begin}"


def _alike(path: Path) -> Iterator[Path]:
    """Folders with each part of ``path`` as it is written, or almost so."""
    places = [Path(path.anchor)]
    for part in path.parts[1:]:
        places = [folder for place in places for folder in _children_like(place, part)][:_MOST_PLACES]
    yield from places


def _children_like(place: Path, name: str) -> list[Path]:
    exact = place / name
    try:
        names = [folder.name for folder in place.iterdir() if folder.name != name and folder.is_dir()]
    except OSError:
        names = []
    close = difflib.get_close_matches(name, names, n=_MOST_PLACES, cutoff=_LEAST_LIKENESS)
    return ([exact] if exact.is_dir() else []) + [place / each for each in close]
