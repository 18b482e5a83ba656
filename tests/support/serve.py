"""A real server for tests: ``python -m tests.support.serve``, configured by ``AQUILON_*``.

Reports on standard output, one JSON object a line: ``{"report": "Ready", "url": ...}``,
and in the end whether torch was ever imported here.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

import msgspec

from aquilon.settings import Settings
from aquilon.web.server import Report, ServerError, run


def tell(report: Report) -> None:
    print(msgspec.json.encode({"report": type(report).__name__, **asdict(report)}).decode(), flush=True)


if __name__ == "__main__":
    try:
        run(Settings(), tell)
    except ServerError as error:
        sys.exit(str(error))
    print(msgspec.json.encode({"report": "Ended", "torch": "torch" in sys.modules}).decode())
