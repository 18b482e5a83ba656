"""One structured line an event, on standard error: ours, the engine client's and uvicorn's alike."""

from __future__ import annotations

import contextlib
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from aquilon.text.printable import printable
from aquilon.web.repeated_lines import RepeatedLines


def configure(level: str) -> None:
    """``level``: debug, info, warning or error."""
    before: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = RepeatedLines(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _rendered,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))


_logfmt = structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "logger", "event"))


def _rendered(logger: WrappedLogger, name: str, event: EventDict) -> str:
    """One line, whatever a client, a file's name or an upstream put into it."""
    return printable(_logfmt(logger, name, event))


def write_counts() -> None:
    """To be called now and then, so that the count of what was repeated is written though nothing else is."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RepeatedLines):
            handler.write_counts()


def write_line(logger: str, level: int, line: str) -> None:
    """A line of logfmt as it is, behind its time, level and logger, to wherever `configure` lets all others go."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RepeatedLines):
            handler.write_counts()
            name = logging.getLevelName(level).lower()
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more: no reason to fail a request
                handler.stream.write(f"timestamp={now} level={name} logger={logger} {line}\n")
                handler.stream.flush()
