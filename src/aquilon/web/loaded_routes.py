"""The routes that are loaded, and the loading of an area when one of its paths is first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from aquilon.api.areas import Area
from aquilon.api.direct_route import Endpoint, direct_endpoints
from aquilon.api.routes import Routes
from aquilon.api.websocket import WebSocketRoute


class LoadedRoutes:
    """Its list and its dictionaries grow when an area is loaded: what answers requests looks in them each time."""

    def __init__(self, at_start: Sequence[Routes], areas: Sequence[Area]) -> None:
        """``areas`` in the order in which their routes are matched, after ``at_start``."""
        self.routes: list[BaseRoute] = []
        """In the order in which they are matched. What others append stays behind."""
        self.direct: dict[str, Endpoint] = {}
        """By path: what `DirectRoutes` calls."""
        self.websockets: dict[str, WebSocketRoute] = {}
        """By path."""
        self._sizes: dict[Area | None, int] = {}
        """How many routes are loaded of each area, and at the start."""
        self._add(None, at_start, place=0)
        self._areas = areas
        self._loading = asyncio.Lock()
        self._paths = self._unloaded_paths()

    def has_to_load(self, path: str) -> bool:
        """Whether the path is one of an area that isn't loaded."""
        return path.startswith(self._paths)

    async def load(self, path: str) -> None:
        """Load the areas to which the path may belong."""
        await self._load(lambda area: path.startswith(area.paths))

    async def load_all(self) -> None:
        await self._load(lambda _: True)

    async def _load(self, wanted: Callable[[Area], bool]) -> None:
        async with self._loading:
            for number, area in enumerate(self._areas):
                if area not in self._sizes and wanted(area):
                    loaded = await asyncio.to_thread(area.load)  # answers go on meanwhile
                    before = (None, *self._areas[:number])
                    self._add(area, loaded, place=sum(self._sizes.get(other, 0) for other in before))
            self._paths = self._unloaded_paths()

    def _add(self, area: Area | None, groups: Sequence[Routes], *, place: int) -> None:
        routes = [route for group in groups for route in group.router.routes]
        self.routes[place:place] = routes
        self._sizes[area] = len(routes)
        self.direct |= direct_endpoints(routes)
        for group in groups:
            self.websockets |= group.websockets

    def _unloaded_paths(self) -> tuple[str, ...]:
        return tuple(path for area in self._areas if area not in self._sizes for path in area.paths)


class LoadAreas:
    """ASGI middleware before all that looks at routes."""

    def __init__(self, app: ASGIApp, loaded: LoadedRoutes) -> None:
        self._app = app
        self._loaded = loaded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and self._loaded.has_to_load(scope["path"]):
            await self._loaded.load(scope["path"])
        await self._app(scope, receive, send)
