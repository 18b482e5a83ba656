"""Every route of the API: to import this loads all areas, as `/openapi.json` and tests need them."""

from __future__ import annotations

from aquilon.api.areas import AREAS, AT_START
from aquilon.api.routes import Routes

ROUTES: tuple[Routes, ...] = (*AT_START, *(routes for area in AREAS for routes in area.load()))
"""In the order in which they are matched and described."""
