"""Printing: answers to stdout, everything else to stderr; colour on terminals only."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from aquilon.cli.streams import holds

if TYPE_CHECKING:
    from msgspec import Struct
    from rich.console import Console

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_UNBROKEN = 400
"""Columns without a terminal: programs get each row on one line."""


def out() -> Console:
    """The console for answers: plain where stdout is not a terminal. rich respects NO_COLOR and FORCE_COLOR."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_UNBROKEN)


def err() -> Console:
    """The console for progress, hints and warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Remove control characters, so that a model's answer or a licence's text can't control the terminal."""
    return _CONTROL.sub("", text)


def print_json(value: Any) -> None:
    """Letters are escaped only where standard output's encoding can't hold them."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    print(text if holds(sys.stdout, text) else json.dumps(value, indent=2))


def tell(result: Struct, sentence: str, *, as_json: bool) -> None:
    """Print ``sentence``, or the result as JSON."""
    if as_json:
        print_structs(result)
    else:
        print(sentence)


def print_structs(structs: Struct | list[Any]) -> None:
    """As JSON."""
    import msgspec

    print_json(msgspec.to_builtins(structs))
