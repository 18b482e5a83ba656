"""Each module's logger, of structured events; `web.logs` decides how they are written.

structlog loads rich and pygments, 8 MB, for coloured tracebacks that a server doesn't write. It does without them where
it can't find them, so that it is loaded while they are hidden.
"""

from __future__ import annotations

import sys

_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    del sys.modules["rich"]
    if _rich is not None:
        sys.modules["rich"] = _rich

__all__ = ["get_logger", "structlog"]

get_logger = structlog.get_logger
