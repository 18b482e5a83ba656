from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.server import RunningServer, prepare_home, start_server
from tests.support.stored_models import store_model

if TYPE_CHECKING:
    from mistralai.client import Mistral
    from openai import OpenAI


@pytest.fixture(scope="module")
def openai_client(server: RunningServer) -> Iterator[OpenAI]:
    from openai import OpenAI

    with OpenAI(base_url=f"{server.url}/v1", api_key=server.api_key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def mistral_client(server: RunningServer) -> Iterator[Mistral]:
    from mistralai.client import Mistral

    with Mistral(server_url=server.url, api_key=server.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """A plain client with the first key."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def own_organization(session_server: RunningServer, request: pytest.FixtureRequest) -> RunningServer:
    """The session's server for one module, whose organization has an owner, a key and whatever the tests make.

    Prices, models and upstreams are everybody's: who changes those takes ``own_server``.
    """
    name = request.module.__name__.rpartition("test_")[2].replace("_", " ")
    link = aquilon(session_server.home, "orgs", "create", name, "--owner", "admin")
    key = aquilon(session_server.home, "keys", "create", "--name", "first key", "--org", name)
    return replace(session_server, api_key=key, login_link=link, organization=name)


@pytest.fixture(scope="module")
def own_server(default_model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the default model for one module, whose tests change what all organizations share."""
    home = tmp_path_factory.mktemp("own")
    prepare_home(home, default_model_file)
    running = start_server(home)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with one model of a few thousand random weights, ``tiny``, for one module."""
    home = tmp_path_factory.mktemp("tiny")
    store_model(home / "models", "tiny")
    running = start_server(home, environment={"AQUILON_MODELS": "tiny"})
    yield running
    running.stop()
