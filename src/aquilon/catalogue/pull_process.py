"""A process that pulls one model: ``python -m aquilon.catalogue.pull_process ORDER``, the order being JSON.

Reports as JSON lines on standard output. It ends as soon as its standard input ends,
so it never outlives the server; a later pull can resume from what it leaves.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from aquilon.catalogue.pull_record import PullDone, PullFailed, PullOrder, PullProgress, PullReport
from aquilon.checkpoints.arrival import Phase
from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore

_REPORT_SECONDS = 0.25


def main(order: PullOrder) -> int:
    threading.Thread(target=_end_with_input, daemon=True).start()
    reported_at = 0.0

    def progress(phase: Phase, *, done: int, total: int | None, file: str) -> None:
        nonlocal reported_at
        if done == total or time.monotonic() - reported_at >= _REPORT_SECONDS:
            reported_at = time.monotonic()
            _report(PullProgress(phase, done, total, file))

    try:
        model = pull(
            order.source,
            ModelStore(Path(order.store)),
            name=order.name,
            file=order.file,
            progress=progress,
            agree=lambda _: order.agree,
        )
    except KeyboardInterrupt:
        return 130
    except ValueError as error:  # of the store and checkpoints, whose messages are for users
        _report(PullFailed(str(error)))
        return 1
    except OSError as error:
        _report(PullFailed(f"{error.strerror or error}"))
        return 1
    _report(PullDone(model.name))
    return 0


def _report(report: PullReport) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)  # interrupts a read that the main thread waits for


if __name__ == "__main__":
    sys.exit(main(msgspec.json.decode(sys.argv[1], type=PullOrder)))
