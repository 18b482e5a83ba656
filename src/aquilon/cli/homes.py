"""Whether a folder is a home, and the nearest home where it isn't.

Only ``aquilon up``, ``pull``, ``run`` and ``restore`` make a home.
"""

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
"""A home holds at least one of these: from a start, a pull, or its operator."""
_LEAST_LIKENESS = 0.7
_MOST_FOLDERS = 20
"""Folders with a similar name that are considered at each level of the path."""


class NoHome(CommandError):
    """The folder is no home, or has no database; the message names the nearest home."""


def require_home(settings: Settings) -> None:
    """Raises NoHome if the settings' folder is no home."""
    if not is_home(settings.home):
        raise NoHome(f"There is no Aquilon home at {settings.home}: {_way_out(settings)}")


def require_database(settings: Settings) -> None:
    """Raises NoHome if a SQLite file is missing. A PostgreSQL database is checked when it is opened."""
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
    """The home whose path is most similar to this one's; None if no path is similar."""
    similar = [folder for folder in _similar(settings.home) if is_home(folder) and folder != settings.home]
    path = str(settings.home)
    return max(similar, key=lambda folder: difflib.SequenceMatcher(None, path, str(folder)).ratio(), default=None)


def _way_out(settings: Settings) -> str:
    usual = Path(type(settings).model_fields["home"].default).expanduser()
    option = "" if settings.home == usual else f" --home {shlex.quote(str(settings.home))}"
    begin = f"the first start of `aquilon up{option}` makes it"
    nearest = nearest_home(settings) or (usual if usual != settings.home and is_home(usual) else None)
    return begin if nearest is None else f"did you mean --home {shlex.quote(str(nearest))}? If not, {begin}"


def _similar(path: Path) -> Iterator[Path]:
    """Folders that exist and whose path has the same or similar parts."""
    folders = [Path(path.anchor)]
    for part in path.parts[1:]:
        folders = [child for folder in folders for child in _children_like(folder, part)][:_MOST_FOLDERS]
    yield from folders


def _children_like(parent: Path, name: str) -> list[Path]:
    exact = parent / name
    try:
        names = [folder.name for folder in parent.iterdir() if folder.name != name and folder.is_dir()]
    except OSError:
        names = []
    close = difflib.get_close_matches(name, names, n=_MOST_FOLDERS, cutoff=_LEAST_LIKENESS)
    return ([exact] if exact.is_dir() else []) + [parent / child for child in close]
