"""A process that reads one document: ``python -m aquilon.extraction.process ORDER``, the order being JSON.

It sets limits on itself before it opens the file, and reports on standard output.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from aquilon.extraction.document import Unreadable
from aquilon.extraction.formats import PDF
from aquilon.extraction.protocol import Done, Order, Refused, Report, Share, packed
from aquilon.extraction.read import read
from aquilon.process_limits import limit_process, start_no_process
from aquilon.starting_process import when_starter_ends

_REPORT_SECONDS = 0.1
_SECONDS_AFTER_SERVER = 10
"""The server ends this process in time; when it is killed, this one ends too, on Linux at once."""


def main(order: Order) -> None:
    limits = order.limits
    limit_process(cpu_seconds=limits.cpu_seconds, memory_bytes=limits.memory_bytes, written_bytes=0)
    signal.alarm(limits.wall_seconds + _SECONDS_AFTER_SERVER)
    when_starter_ends(lambda: os.killpg(os.getpgrp(), signal.SIGKILL))  # with OCR, which this one has started
    output = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no report
    reported_at = 0.0

    def report(report: Report) -> None:
        data = packed(report)
        while data:
            data = data[os.write(output, data) :]

    def progress(share: float) -> None:
        nonlocal reported_at
        if time.monotonic() - reported_at >= _REPORT_SECONDS:
            reported_at = time.monotonic()
            report(Share(share))

    def before(media_type: str) -> None:
        if media_type != PDF:  # whose OCR is another process
            start_no_process()

    try:
        document = read(Path(order.path), name=order.name, limits=limits, on_progress=progress, before=before)
    except Unreadable as refusal:
        report(Refused(refusal.code, refusal.message, refusal.details))
    else:
        report(Done(document))


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Order))
