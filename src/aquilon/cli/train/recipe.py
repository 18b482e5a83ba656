"""Jobs from recipes (TOML) and from the options that override them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aquilon.training.protocol import Job, UnusableJob, job_from, released

_LENGTHS = ("steps", "minutes", "epochs")


def read_recipe(path: Path, kind: str) -> dict[str, Any]:
    """A recipe's fields, for a job of this kind; its paths, relative to the recipe's file, made absolute.

    Raises UnusableJob.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnusableJob(f"there is no recipe {path}") from None
    except IsADirectoryError:
        raise UnusableJob(f"{path} is a folder: a recipe is a TOML file; --data names text") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableJob(f"{path} is no TOML: {error}") from None
    if (given := fields.setdefault("kind", kind)) != kind:
        raise UnusableJob(f"{path} is a recipe of the kind {given!r}: `aquilon train {given}` takes it")
    return _with_absolute_paths(fields, path.parent)


def job_of(fields: Mapping[str, Any], overriding: Mapping[str, Any], *, where: str) -> Job:
    """The job of a recipe's fields, with options in their place.

    ``overriding`` has a field's name, or ``training.steps`` for one inside; None leaves what the recipe says.
    A model that is a run's folder is the run's result. Raises UnusableJob.
    """
    combined: dict[str, Any] = {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()
    }
    given = {name: value for name, value in overriding.items() if value is not None}
    if any(f"training.{name}" in given for name in _LENGTHS) and isinstance(combined.get("training"), dict):
        for name in _LENGTHS:  # a length on the command line replaces the recipe's, whatever it is counted in
            combined["training"].pop(name, None)
    for name, value in given.items():
        section, dot, inner = name.partition(".")
        if not dot:
            combined[name] = value
        elif isinstance(group := combined.setdefault(section, {}), dict):
            group[inner] = value
    for name in ("model", "base"):
        if isinstance(path := combined.get(name), str):
            combined[name] = str(released(Path(path)))
    return job_from(combined, where=where)


def _with_absolute_paths(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    def absolute(value: Any) -> Any:
        return str((folder / value).resolve()) if isinstance(value, str) else value

    changed = dict(fields)
    for name in ("tokenizer", "model", "base"):
        if name in changed:
            changed[name] = absolute(changed[name])
    for name in ("data", "validation"):
        if isinstance(paths := changed.get(name), list):
            changed[name] = [
                {**entry, "path": absolute(entry.get("path"))} if isinstance(entry, dict) else absolute(entry)
                for entry in paths
            ]
    return changed
