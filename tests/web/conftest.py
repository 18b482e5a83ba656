from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from tests.support.server import RunningServer


@pytest.fixture(scope="session")
def openai_client(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.api_key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def mistral_client(server: RunningServer) -> Iterator[Mistral]:
    with Mistral(server_url=server.url, api_key=server.api_key) as client:
        yield client


@pytest.fixture(scope="session")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """A plain client with the first key."""
    headers = {"authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client
