"""Standard input, output and error, also where they are closed or in an encoding that can't hold every character."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def prepare_streams() -> None:
    """Make standard input, output and error usable before anything reads or writes.

    A service may start the program with a stream closed: it then reads as empty or
    swallows what is written, and its number isn't given to the next file that is
    opened. What an output's encoding lacks is replaced by ``?``. Input is text in
    UTF-8 where the locale knows ASCII alone, and bytes that aren't text raise
    UnicodeDecodeError in place of becoming characters that nothing else accepts.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _silence(number))
    for output in (sys.stdout, sys.stderr):
        _reconfigure(output, errors="replace")
    encoding = "utf-8" if is_ascii(sys.stdin) else None
    _reconfigure(sys.stdin, errors="strict", encoding=encoding)


def is_ascii(stream: TextIO) -> bool:
    """Whether a stream's encoding has no letters beyond ASCII's."""
    return (getattr(stream, "encoding", None) or "").lower().replace("_", "-") in (
        "ascii",
        "us-ascii",
        "ansi-x3.4-1968",
    )


def holds(stream: TextIO, text: str) -> bool:
    """Whether a stream's encoding has every character of ``text``."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _silence(number: int) -> TextIO:
    """A stream in place of a closed one, at its number if that is still free."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        return open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
    return open(os.devnull, "r" if number == 0 else "w", encoding="utf-8")


def _reconfigure(stream: TextIO, **how: Any) -> None:
    if hasattr(stream, "reconfigure"):  # not where a test or another program put a stream of its own
        stream.reconfigure(**how)
