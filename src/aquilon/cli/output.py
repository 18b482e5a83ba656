"""Where words go: answers to stdout, everything else to stderr; colour only where a person sees it."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from aquilon.cli.streams import holds

if TYPE_CHECKING:
    from msgspec import Struct

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_UNBROKEN = 400
"""Columns where no terminal tells how many: programs get a row a line."""


def out() -> Console:
    """For answers. Plain where stdout is not a terminal; rich respects NO_COLOR and FORCE_COLOR."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_UNBROKEN)


def err() -> Console:
    """For progress, hints and warnings."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Without control characters: a model's answer or somebody's licence must not be able to steer the terminal."""
    return _CONTROL.sub("", text)


def print_json(value: Any) -> None:
    """With letters as they are where standard output can hold them all, escaped where it can't: nothing is lost."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    print(text if holds(sys.stdout, text) else json.dumps(value, indent=2))


def tell(done: Struct, sentence: str, *, as_json: bool) -> None:
    """What was done, or what came of it as JSON."""
    if as_json:
        print_structs(done)
    else:
        print(sentence)


def print_structs(found: Struct | list[Any]) -> None:
    """As JSON."""
    import msgspec

    print_json(msgspec.to_builtins(found))


def parameters_text(count: int) -> str:
    """``135M``, ``24B``."""
    if not count:
        return ""
    return f"{count / 1e9:.3g}B" if count >= 10**9 else f"{count / 1e6:.3g}M"
