"""The record of a pull, and the messages between the server and its process."""

from __future__ import annotations

from typing import Literal

import msgspec

PullState = Literal["running", "done", "failed", "cancelled", "interrupted"]
"""``interrupted``: the server ended while it ran. The same pull again resumes if its source allows it."""


class PullOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull's process shall do."""

    store: str
    source: str
    name: str | None = None
    file: str | None = None
    agree: bool = False
    """Agree to a gated model's licence."""


class PullProgress(msgspec.Struct, frozen=True, tag="progress"):
    phase: str
    done: int
    total: int | None
    """Bytes; None if not yet known."""
    file: str


class PullDone(msgspec.Struct, frozen=True, tag="done"):
    model: str


class PullFailed(msgspec.Struct, frozen=True, tag="failed"):
    message: str


PullReport = PullProgress | PullDone | PullFailed


class Pull(msgspec.Struct, kw_only=True):
    """One pull, running or ended. Times are seconds since 1970."""

    id: str
    source: str
    name: str | None
    """The name that was asked for; None for the model's own."""
    file: str | None
    state: PullState
    phase: str = ""
    done_bytes: int = 0
    total_bytes: int | None = None
    current_file: str = ""
    model: str | None = None
    """The model's name in the store, once it is there."""
    error: str | None = None
    started_at: int
    ended_at: int | None = None
    started_by: str
