"""The log: one structured line for each event on standard error, from our modules and from libraries."""

from __future__ import annotations

import contextlib
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from structlog.typing import EventDict, WrappedLogger

from aquilon.log import structlog
from aquilon.text.printable import printable
from aquilon.web.repeated_lines import RepeatedLines


def configure(level: str) -> None:
    """Set up all loggers. ``level``: debug, info, warning or error."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = RepeatedLines(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
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
    """One printable line, even if a client, a file's name or an upstream put control characters into it."""
    return printable(_logfmt(logger, name, event))


def write_counts() -> None:
    """Write the due counts of repeated lines. To be called regularly: otherwise only the next line writes them."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RepeatedLines):
            handler.write_counts()


def write_line(logger: str, level: int, line: str) -> None:
    """Write a finished line of logfmt, after its time, level and logger, to the handlers that `configure` set."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RepeatedLines):
            handler.write_counts()
            name = logging.getLevelName(level).lower()
            with contextlib.suppress(OSError, ValueError):  # a closed standard error must not fail a request
                handler.stream.write(f"timestamp={now} level={name} logger={logger} {line}\n")
                handler.stream.flush()
