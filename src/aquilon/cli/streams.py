"""Standard input, output and error, also where they are closed or their encoding lacks characters."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def prepare_streams() -> None:
    """Make standard input, output and error usable before anything reads or writes.

    A service may start the program with a stream closed. Such an input reads as empty,
    such an output discards what is written, and the next opened file doesn't get the
    stream's number. Characters that an output's encoding lacks are replaced by ``?``.
    Input is UTF-8 where the locale is ASCII; bytes that aren't text raise UnicodeDecodeError.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _silence(number))
    for output in (sys.stdout, sys.stderr):
        _reconfigure(output, errors="replace")
    encoding = "utf-8" if is_ascii(sys.stdin) else None
    _reconfigure(sys.stdin, errors="strict", encoding=encoding)


def is_ascii(stream: TextIO) -> bool:
    """Whether a stream's encoding is ASCII."""
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
    """An empty stream to replace a closed one, with its number if that is still free."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        return open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
    return open(os.devnull, "r" if number == 0 else "w", encoding="utf-8")


def _reconfigure(stream: TextIO, **options: Any) -> None:
    if hasattr(stream, "reconfigure"):  # streams that a test or another program put there may lack it
        stream.reconfigure(**options)
