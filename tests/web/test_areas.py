"""Areas of routes are loaded when they are asked for, and nobody sees a difference."""

from __future__ import annotations

import asyncio
import re

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from aquilon.api.all_routes import ROUTES
from aquilon.api.areas import AREAS, AT_START
from aquilon.web.loaded_routes import LoadAreas, LoadedRoutes
from aquilon.web.methods import Methods

ALL = [route for routes in ROUTES for route in routes.router.routes]
ASKED = [(method, re.sub(r"\{[^}]*\}", "x", route.path)) for route in ALL for method in sorted(route.methods)]  # type: ignore[attr-defined]
"""A request for each route."""


def answering(routes: list[BaseRoute], method: str, path: str) -> BaseRoute | None:
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": []}
    return next((route for route in routes if route.matches(scope)[0] == Match.FULL), None)


def test_what_is_first_asked_for_is_answered_as_with_all_areas_loaded() -> None:
    async def first_asked(method: str, path: str) -> tuple[BaseRoute | None, list[str]]:
        loaded = LoadedRoutes(AT_START, AREAS)
        if loaded.has_to_load(path):
            await loaded.load(path)
        return answering(loaded.routes, method, path), Methods(loaded.routes).at(path)

    async def all_asked() -> None:
        for method, path in ASKED:
            assert await first_asked(method, path) == (answering(ALL, method, path), Methods(ALL).at(path)), path

    asyncio.run(all_asked())


def test_every_path_of_an_area_begins_as_the_area_says() -> None:
    for area in AREAS:
        for routes in area.load():
            assert [route for route in routes.router.routes if not route.path.startswith(area.paths)] == []  # type: ignore[attr-defined]
            assert [path for path in routes.websockets if not path.startswith(area.paths)] == []


def test_the_order_of_loading_does_not_change_the_order_of_matching() -> None:
    loaded = LoadedRoutes(AT_START, AREAS)
    loaded.routes.append(last := BaseRoute())

    async def load() -> None:
        for area in reversed(AREAS):
            await asyncio.gather(*(loaded.load(path) for path in area.paths))

    asyncio.run(load())
    assert loaded.routes == [*ALL, last]
    assert not any(loaded.has_to_load(path) for _, path in ASKED)


def test_a_request_that_arrives_while_its_area_is_loaded_waits_for_it() -> None:
    loaded = LoadedRoutes(AT_START, AREAS)
    answered: list[BaseRoute | None] = []

    async def router(scope: Scope, *_: object) -> None:
        answered.append(answering(loaded.routes, "GET", scope["path"]))

    async def ask() -> None:
        app = LoadAreas(router, loaded)  # type: ignore[arg-type]
        await asyncio.gather(*(app({"type": "http", "path": "/v1/files"}, None, None) for _ in range(8)))  # type: ignore[arg-type]

    asyncio.run(ask())
    assert answered == [answering(ALL, "GET", "/v1/files")] * 8
