"""What tests fetch once and keep in the user's cache, though several processes may want it at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aquilon-tests"


@contextmanager
def cache_for_one() -> Iterator[Path]:
    """The folder, while no other process looks for what is missing there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield CACHE
