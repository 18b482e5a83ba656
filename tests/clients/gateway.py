"""Aquilon as the clients find it: the scripted model behind it, under its own and all unknown names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.clients.scripted_model import NAME, scripted_model
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_stand_ins import stand_in

from aquilon.settings import NO_MODEL


@contextmanager
def scripted_gateway(home: Path, *, models: str = NO_MODEL) -> Iterator[RunningServer]:
    """``models``: those of its own."""
    environment = {"AQUILON_MODELS": models, "AQUILON_MODEL_ALIASES": json.dumps({"*": NAME})}
    with stand_in(scripted_model) as upstream:
        server = start_server(home, environment=environment)
        try:
            abilities = [part for name in ("chat", "function_calling", "vision") for part in ("--can", name)]
            aquilon(home, "upstreams", "add", NAME, f"{upstream}/v1", *abilities)
            headers = {"authorization": f"Bearer {server.api_key}"}
            wait_until(lambda: httpx.get(f"{server.url}/v1/models/{NAME}", headers=headers).is_success)
            yield server
        finally:
            server.stop()
