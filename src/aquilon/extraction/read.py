"""Reads a document with its format's reader, and says why one can't be read."""

from __future__ import annotations

import errno
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from aquilon.extraction.archive import check_archive
from aquilon.extraction.document import Document, Unreadable, too_deep
from aquilon.extraction.formats import ARCHIVES, READERS, media_type_of, spoken
from aquilon.extraction.limits import Limits
from aquilon.extraction.reading import Full, Reading

_EXCESSIVE_DEPTH = "Excessive depth in document"
"""So begins libxml2's error for XML that is nested deeper than 256."""


def read(
    path: Path,
    *,
    name: str,
    limits: Limits,
    on_progress: Callable[[float], None],
    before: Callable[[str], None] = lambda media_type: None,
) -> Document:
    """The document's text, within the limits that need no process of its own.

    ``before`` is called with the media type before anything of that format is parsed.
    Raises Unreadable, also for what a library raises: its file comes from outside.
    """
    what = "file"
    try:
        media_type = media_type_of(path, name)
        what = spoken(media_type)
        before(media_type)
        if media_type in ARCHIVES:
            check_archive(path, limits)
        reading = Reading(limits, on_progress)
        module, function = READERS[media_type]
        try:
            getattr(import_module(f"aquilon.extraction.{module}"), function)(path, reading)
            reading.end_list()
        except Full:
            reading.note("truncated")
        if not reading.has_text():
            raise Unreadable("no_text", f"This {what} has no text")
        return reading.document(media_type)
    except MemoryError:
        raise _too_large(what, limits) from None
    except RecursionError:
        raise too_deep(what) from None
    except Unreadable:
        raise
    except Exception as error:
        if _EXCESSIVE_DEPTH in str(error):
            raise too_deep(what) from None
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise _too_large(what, limits) from None
        reason = f"{type(error).__name__}: {error}"[:300]
        raise Unreadable(
            "damaged", f"This {what} is damaged and can't be read ({reason})", {"reason": reason}
        ) from error


def _too_large(what: str, limits: Limits) -> Unreadable:
    mebibytes = limits.memory_bytes // 2**20
    message = f"Reading this {what} takes more than {mebibytes} MiB of memory: divide it into smaller files"
    return Unreadable("too_large", message, {"limit": limits.memory_bytes})
