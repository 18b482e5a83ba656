"""Options that several commands share, and the settings that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def settings_from(**given: Any) -> Settings:
    """Settings from the options that were given (not None), the rest from the environment, the file or the defaults."""
    from aquilon.settings import Settings

    return Settings(**{name: value for name, value in given.items() if value is not None})


def model_store(home: Path | None) -> ModelStore:
    from aquilon.checkpoints.store import ModelStore

    return ModelStore(settings_from(home=home).models_folder)
