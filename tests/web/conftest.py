from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from tests.support.server import RunningServer, prepare_home, start_server


@pytest.fixture(scope="module")
def openai_client(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.api_key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def mistral_client(server: RunningServer) -> Iterator[Mistral]:
    with Mistral(server_url=server.url, api_key=server.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """A plain client with the first key."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def own_server(default_model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the default model for one module whose tests change the server or count its rows."""
    home = tmp_path_factory.mktemp("own")
    prepare_home(home, default_model_file)
    running = start_server(home)
    yield running
    running.stop()
