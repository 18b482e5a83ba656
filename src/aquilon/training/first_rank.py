"""What the first rank does while the others wait, such as tokenizing; and how it reports it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist

from aquilon.training.devices import Device
from aquilon.training.protocol import EventLog, Prepared, now

_PATIENCE = datetime.timedelta(days=30)
"""Gloo's half an hour would be too short for large data; torchrun ends the ranks that wait if the first fails."""
_SECONDS_BETWEEN_REPORTS = 0.5

T = TypeVar("T")


class StoppedEarly(Exception):
    """The process was asked to pause before the first step: there is nothing to save."""


def first_rank_first(device: Device, work: Callable[[], T]) -> T:
    """What ``work`` returns on each rank. The first does it alone; the others then find it done.

    Raises StoppedEarly on all ranks if the first one's work does.
    """
    if device.ranks == 1:
        return work()
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    is_stopped = torch.zeros(1, dtype=torch.int64)
    if device.is_first:
        try:
            result = work()
        except StoppedEarly:
            is_stopped.fill_(1)
            dist.broadcast(is_stopped, 0, group)
            raise
        dist.broadcast(is_stopped, 0, group)
        return result
    dist.broadcast(is_stopped, 0, group)
    if is_stopped:
        raise StoppedEarly
    return work()


class PreparationReport:
    """Writes events of how far the data is prepared, twice a second; raises StoppedEarly when asked to pause."""

    def __init__(self, log: EventLog | None, stop: Callable[[], bool]) -> None:
        self._log, self._stop = log, stop
        self._reported_at = 0.0

    def __call__(self, done: int, total: int, documents: int, tokens: int) -> None:
        if self._stop():
            raise StoppedEarly
        if self._log is None or (done < total and time.monotonic() - self._reported_at < _SECONDS_BETWEEN_REPORTS):
            return
        self._reported_at = time.monotonic()
        self._log.write(Prepared(bytes=done, total_bytes=total, documents=documents, tokens=tokens, time=now()))
