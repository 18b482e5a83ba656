"""A warning that is repeated many times a second is written once, and then a count of its repetitions."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TextIO

SECONDS = 10.0
"""A kind of warning or error is written once in this interval; then a line says how often it was repeated."""

_TELLING_FIELDS = ("upstream", "model", "provider", "process", "name", "what")
"""Two lines that differ in one of these fields are different kinds."""
_MOST_KINDS = 1000


@dataclass
class _Kind:
    until: float
    record: logging.LogRecord
    """The latest record of the kind."""
    unwritten: int = 0


class RepeatedLines(logging.StreamHandler[TextIO]):
    """Writes warnings and errors once for each kind and interval.

    A kind is the logger, the level, the event, `_TELLING_FIELDS` and the place where an exception was raised.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._kinds: dict[Hashable, _Kind] = {}
        self._next_end = math.inf

    def emit(self, record: logging.LogRecord) -> None:
        self.write_counts()
        if record.levelno >= logging.WARNING and self._is_repeated(record):
            return
        super().emit(record)

    def write_counts(self, *, all_kinds: bool = False) -> None:
        """Write a line for each kind whose interval has ended and that was repeated in it."""
        now = time.monotonic()
        if now < self._next_end and not all_kinds:
            return
        self.acquire()
        try:
            ended = [key for key, kind in self._kinds.items() if all_kinds or now >= kind.until]
            kinds = [self._kinds.pop(key) for key in ended]
            self._next_end = min((kind.until for kind in self._kinds.values()), default=math.inf)
            for kind in kinds:
                if kind.unwritten:
                    super().emit(_counted(kind))
        finally:
            self.release()

    def close(self) -> None:
        self.write_counts(all_kinds=True)
        super().close()

    def _is_repeated(self, record: logging.LogRecord) -> bool:
        key = _key(record)
        kind = self._kinds.get(key)
        if kind is not None:
            kind.unwritten += 1
            kind.record = record
            return True
        if len(self._kinds) < _MOST_KINDS:
            until = time.monotonic() + SECONDS
            self._kinds[key] = _Kind(until, record)
            self._next_end = min(self._next_end, until)
        return False


def _key(record: logging.LogRecord) -> Hashable:
    fields = record.msg if isinstance(record.msg, dict) else {"event": record.msg}
    subject = tuple(str(fields.get(name)) for name in _TELLING_FIELDS)
    return (
        record.name,
        record.levelno,
        str(fields.get("event")),
        subject,
        _place(record, str(fields.get("exception", ""))),
    )


def _place(record: logging.LogRecord, exception: str) -> str:
    """The last line of a traceback: the place where the exception was raised."""
    if record.exc_info and (traceback := record.exc_info[2]) is not None:
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
    return exception[exception.rfind('  File "') :].partition("\n")[0]


def _counted(kind: _Kind) -> logging.LogRecord:
    record = copy.copy(kind.record)
    times = f"{kind.unwritten} more {'time' if kind.unwritten == 1 else 'times'} within {SECONDS:g} seconds"
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "event": f"{record.msg.get('event')} ({times})"}
        record.msg.pop("exception", None)
    else:
        record.msg, record.args = f"{record.getMessage()} ({times})", ()
    record.exc_info = record.exc_text = None
    return record
