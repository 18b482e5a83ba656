"""Routes that name the types of their bodies, from which `/openapi.json` is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from aquilon.api.direct_route import DirectRoute
from aquilon.api.schemas import Answer, answers, request_body
from aquilon.api.websocket import WebSocketRoute

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Routes:
    """One module's routes. ``direct``: its POSTs are called without the router, see `DirectRoute`."""

    def __init__(self, prefix: str = "", *, tag: str, direct: bool = False) -> None:
        self.router = APIRouter(prefix=prefix, tags=[tag], route_class=DirectRoute if direct else APIRoute)
        self.request_types: list[type[BaseModel]] = []
        self.answer_types: list[Answer] = []
        self.websockets: dict[str, WebSocketRoute] = {}
        """By path."""

    def get(self, path: str, summary: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
        return self.add("GET", path, summary, **described)

    def post(self, path: str, summary: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
        return self.add("POST", path, summary, **described)

    def delete(self, path: str, summary: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
        return self.add("DELETE", path, summary, **described)

    def put(self, path: str, summary: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
        return self.add("PUT", path, summary, **described)

    def head(self, path: str, summary: str, **described: Any) -> Callable[[Endpoint], Endpoint]:
        return self.add("HEAD", path, summary, **described)

    def websocket(self, path: str) -> Callable[[WebSocketRoute], WebSocketRoute]:
        """Add a route for WebSocket connections. `/openapi.json` can't describe it."""

        def add(route: WebSocketRoute) -> WebSocketRoute:
            self.websockets[path] = route
            return route

        return add

    def add(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        request: type[BaseModel] | tuple[type[BaseModel], ...] | None = None,
        answer: Answer | tuple[Answer, ...] | None = None,
        says: str | None = None,
        status: int = 200,
        stream: Sequence[type[msgspec.Struct]] = (),
        other: str | None = None,
        **options: Any,
    ) -> Callable[[Endpoint], Endpoint]:
        """Add a route. ``summary`` is an imperative phrase; ``says`` is a sentence that describes the good answer.
        Several ``request`` or ``answer`` types: one of them, as where two dialects share a path.

        ``stream`` and ``other`` as in `schemas.answers`. Without ``says``, FastAPI's ``options`` describe the answers.
        """
        if request is not None:
            requests = request if isinstance(request, tuple) else (request,)
            self.request_types.extend(requests)
            options["openapi_extra"] = request_body(*requests)
        if says is not None:
            good = answer if isinstance(answer, tuple) else () if answer is None else (answer,)
            self.answer_types.extend((*good, *stream))
            options["responses"] = answers(good, description=says, status=status, stream=stream, other=other)
        return self.router.api_route(path, methods=[method], summary=summary, **options)
