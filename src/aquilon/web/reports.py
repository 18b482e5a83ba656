"""What a server reports while it starts and stops, for whoever started it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aquilon.people.first_run import FirstRun


@dataclass(frozen=True)
class Listening:
    """Connections are accepted; ``/health`` answers, ``/ready`` does not yet."""

    url: str


@dataclass(frozen=True)
class FirstStart:
    """Shown once and never stored."""

    accounts: FirstRun
    login_link: str


@dataclass(frozen=True)
class ModelLoading:
    name: str
    progress: float
    """0 to 1."""


@dataclass(frozen=True)
class Ready:
    url: str
    models: tuple[str, ...]
    """The default first."""
    seconds: float
    """The time since ``run`` was called."""


@dataclass(frozen=True)
class Stopping:
    unfinished: int
    """The number of answers that still run, here or at upstreams; the server waits for them."""


Report = Listening | FirstStart | ModelLoading | Ready | Stopping
Reporter = Callable[[Report], None]
