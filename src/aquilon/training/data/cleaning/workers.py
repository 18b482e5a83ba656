"""Work on chunks in several processes, never many chunks ahead of the slowest."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import connection, parent_process

Task = tuple[Callable[..., int], tuple[object, ...], dict[str, object]]
"""A function, its arguments, and its keyword arguments."""


class Workers:
    """``number`` processes; with 1, this process does the work itself."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool: ProcessPoolExecutor | None = None

    def run(self, tasks: Iterable[Task]) -> Iterator[int]:
        """What each task returns, in the order in which they end. Tasks are asked for as processes become free."""
        if self._number == 1:
            for function, arguments, options in tasks:
                yield function(*arguments, **options)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._number, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare
            )
        running: set[Future[int]] = set()
        for function, arguments, options in tasks:
            running.add(self._pool.submit(function, *arguments, **options))
            if len(running) > 2 * self._number:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)

    @contextlib.contextmanager
    def closing(self) -> Iterator[Workers]:
        """End the processes when the block ends; after an error, without what they haven't begun."""
        try:
            yield self
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """Leave Ctrl-C to the command's own process, and end with it, though it be killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
