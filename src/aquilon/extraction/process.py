"""A process that reads one document: ``python -m aquilon.extraction.process ORDER``, the order being JSON.

It sets limits on itself before it opens the file, and reports on standard output.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

import msgspec

from aquilon.extraction.archive import check_archive
from aquilon.extraction.document import Unreadable
from aquilon.extraction.formats import ARCHIVES, READERS, media_type_of, spoken
from aquilon.extraction.protocol import Done, Order, Refused, Report, Share, packed
from aquilon.extraction.reading import Full, Reading
from aquilon.process_limits import limit_process, start_no_process

_REPORT_SECONDS = 0.1
_SECONDS_AFTER_SERVER = 10
"""If the server, which ends this process in time, has ended before."""


def main(order: Order) -> None:
    limits = order.limits
    limit_process(cpu_seconds=limits.cpu_seconds, memory_bytes=limits.memory_bytes, written_bytes=0)
    signal.alarm(limits.wall_seconds + _SECONDS_AFTER_SERVER)
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

    report(_read(order, Reading(limits, progress)))


def _read(order: Order, reading: Reading) -> Done | Refused:
    media_type = None
    try:
        path = Path(order.path)
        media_type = media_type_of(path, order.name)
        if media_type in ARCHIVES:
            check_archive(path, order.limits)
        room, function = READERS[media_type]
        if room != "pdf":  # whose OCR is another process
            start_no_process()
        try:
            getattr(import_module(f"aquilon.extraction.{room}"), function)(path, reading)
            reading.end_list()
        except Full:
            reading.note("truncated")
        if not reading.has_text():
            raise Unreadable("no_text", f"This {spoken(media_type)} has no text")
        return Done(reading.document(media_type))
    except Unreadable as refusal:
        return Refused(refusal.code, refusal.message, refusal.details)
    except MemoryError:
        return _too_large(order, media_type)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return _too_large(order, media_type)
        reason = f"{type(error).__name__}: {error}"[:300]
        what = spoken(media_type) if media_type else "file"
        return Refused("damaged", f"This {what} is damaged and can't be read ({reason})", {"reason": reason})


def _too_large(order: Order, media_type: str | None) -> Refused:
    limit = order.limits.memory_bytes
    what = spoken(media_type) if media_type else "file"
    message = f"Reading this {what} takes more than {limit // 2**20} MiB of memory: divide it into smaller files"
    return Refused("too_large", message, {"limit": limit})


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Order))
