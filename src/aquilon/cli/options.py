"""Options that several commands share, and settings, secrets and the model store read from options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from aquilon.checkpoints.store import ModelStore
    from aquilon.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", help="Where models and the database are. [default: AQUILON_HOME or ~/.aquilon]"
    ),
]
_LONGEST_SECRET = 8192
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def settings_from(**options: Any) -> Settings:
    """Settings from the options that aren't None; the rest from the environment, the file or the defaults."""
    from aquilon.settings import Settings

    return Settings(**{name: value for name, value in options.items() if value is not None})


def secret_from(variable: str | None, file: TextIO | None, option: str) -> str | None:
    """The secret in an environment variable, else in a file; None if neither is named. Raises BadParameter."""
    import os

    if variable is not None:
        if not os.environ.get(variable):
            raise typer.BadParameter(f"the environment variable {variable} is not set", param_hint=option)
        return os.environ[variable]
    try:
        return None if file is None else file.read(_LONGEST_SECRET).strip()
    except UnicodeDecodeError:
        raise typer.BadParameter("the file isn't text", param_hint=option.replace("-env", "-file")) from None


def model_store(home: Path | None, *, create: bool = False) -> ModelStore:
    """The home's model store. Raises NoHome if there is no home, unless the command may ``create`` one."""
    from aquilon.checkpoints.store import ModelStore
    from aquilon.cli.homes import require_home

    settings = settings_from(home=home)
    if not create:
        require_home(settings)
    return ModelStore(settings.models_folder)
