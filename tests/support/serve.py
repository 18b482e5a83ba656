"""A real server for tests: ``python -m tests.support.serve``, configured by ``AQUILON_*``.

Reports on standard output, one JSON object a line: ``{"report": "Ready", "url": ...}``,
and in the end whether torch was ever imported here. With ``CLOCK_FILE`` the wall clock
is as many seconds ahead as that file says at the moment.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from aquilon.web.reports import Report


def set_clock(file: Path) -> None:
    real = time.time
    time.time = lambda: real() + float(file.read_text())


def tell(report: Report) -> None:
    print(msgspec.json.encode({"report": type(report).__name__, **asdict(report)}).decode(), flush=True)


def main() -> None:
    if "CLOCK_FILE" in os.environ:
        set_clock(Path(os.environ["CLOCK_FILE"]))
    from aquilon.settings import Settings  # not before the clock is set, which some take as a default
    from aquilon.web.server import ServerError, run

    try:
        run(Settings(), tell)
    except ServerError as error:
        sys.exit(str(error))
    print(msgspec.json.encode({"report": "Ended", "torch": "torch" in sys.modules}).decode())


if __name__ == "__main__":
    main()
