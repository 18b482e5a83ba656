"""What ``aquilon export`` and the process that writes the files say to each other.

The process is ``python -m aquilon.training.export ORDER``; the order is JSON. It writes a line
of JSON for each `Message` on standard output, and ends with 0, or with 1 after `Failed`.

This file imports no torch.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Format = Literal["hf", "gguf"]
Type = Literal["bf16", "q8_0", "q4_0"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to write where."""

    source: str
    """The folder of a run, or a checkpoint."""
    name: str
    """What the model is called in its own files."""
    format: Format
    type: Type
    out: str
    """A folder that doesn't exist yet."""
    license: str | None = None
    """SPDX identifier; None: the source's own."""


class Writing(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="writing"):
    share: float
    """Of the weights, 0 to 1."""


class Exported(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="exported"):
    folder: str
    files: list[str]
    bytes: int
    license: str
    """Empty where it isn't known."""
    step: int | None = None
    """The step of the checkpoint, where the run isn't finished."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="message", tag="failed"):
    reason: str


Message = Writing | Exported | Failed
