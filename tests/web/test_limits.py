"""Limits at the real server: an administrator sets them, every answer's headers show them, the server keeps them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI, RateLimitError
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.people import first_run as operator
from aquilon.people.administration import keys
from aquilon.people.administration.keys import KeyLimits
from aquilon.people.identity import DEFAULT_KEY_SCOPES, KeyScope
from aquilon.people.scope import Scope
from aquilon.people.store import accounts
from aquilon.settings import Settings
from aquilon.storage import Database

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "Tell a long story about a lighthouse."}]
NAMES = [f"x-ratelimit-{field}-{unit}" for unit in ("requests", "tokens") for field in ("limit", "remaining", "reset")]


def make_key(home: Path, name: str, *scopes: KeyScope) -> str:
    async def make() -> str:
        database = await Database.open(Settings(home=home))
        try:
            actor = await operator.operator(database)
            async with database.reading() as session:
                users = await accounts.list_users(session, Scope.of_organization(actor))
            owner = next(user for user in users if user.role == "owner")
            limits = KeyLimits(scopes=scopes or DEFAULT_KEY_SCOPES)
            return (await keys.create(database, actor, name, user_id=owner.id, limits=limits)).secret
        finally:
            await database.close()

    return asyncio.run(make())


@pytest.fixture(scope="module")
def administrator(server: RunningServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {make_key(server.home, 'administrator', 'administration', 'usage')}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def limited(server: RunningServer, administrator: httpx.Client) -> Iterator[Callable[..., httpx.Client]]:
    """A client with a new key and these limits, which already hold."""
    clients = []

    def make(**numbers: Any) -> httpx.Client:
        secret = make_key(server.home, f"limited-{time.monotonic_ns()}")
        headers = {"authorization": f"Bearer {secret}"}
        clients.append(client := httpx.Client(base_url=server.url, headers=headers, timeout=60))
        set_limit(administrator, secret, **numbers)
        return client

    yield make
    for client in clients:
        client.close()


def set_limit(http: httpx.Client, secret: str, **numbers: Any) -> str:
    answer = http.post("/v1/organization/limits", json={"key_id": secret[:10], **numbers})
    assert answer.status_code == 200, answer.text
    id_: str = answer.json()["id"]
    return id_


def ask(client: httpx.Client, *, stream: bool = False, max_tokens: int = 3, **more: Any) -> httpx.Response:
    body = {"model": MODEL, "messages": QUESTION, "max_tokens": max_tokens, "stream": stream, **more}
    return client.post("/v1/chat/completions", json=body)


def test_answers_have_rate_limit_headers_and_a_refusal_has_retry_after(
    limited: Callable[..., httpx.Client],
) -> None:
    client = limited(requests_per_minute=2, tokens_per_minute=1000)
    whole = ask(client)
    streamed = ask(client, stream=True)
    for answer in (whole, streamed):
        assert answer.status_code == 200
        assert all(name in answer.headers for name in NAMES)
    used = whole.json()["usage"]
    assert whole.headers["x-ratelimit-limit-requests"] == "2"
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in (whole, streamed)] == ["1", "0"]
    assert int(whole.headers["x-ratelimit-remaining-tokens"]) == 1000 - used["prompt_tokens"]
    refused = ask(client)
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert "The key's limit is 2 requests a minute" in refused.json()["message"]


def test_a_stream_s_tokens_count_at_its_end_and_cached_tokens_do_not(
    limited: Callable[..., httpx.Client],
) -> None:
    client = limited(tokens_per_minute=10_000)
    counted_at_start = 10_000 - int(
        ask(client, stream=True, max_tokens=40, ignore_eos=True).headers["x-ratelimit-remaining-tokens"]
    )
    later = ask(client, max_tokens=1)
    usage = later.json()["usage"]
    remaining = int(later.headers["x-ratelimit-remaining-tokens"])
    assert usage["prompt_tokens_details"]["cached_tokens"] <= counted_at_start == usage["prompt_tokens"]
    assert 10_000 - remaining - counted_at_start in range(40, counted_at_start + 41)


def test_a_key_s_parallel_requests_are_limited(server: RunningServer, limited: Callable[..., httpx.Client]) -> None:
    client = limited(parallel_requests=1)
    key = client.headers["authorization"].removeprefix("Bearer ")
    with OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as openai:
        stream = openai.chat.completions.create(
            model=MODEL, messages=QUESTION, max_tokens=1000, stream=True, extra_body={"ignore_eos": True}
        )
        next(stream)
        with pytest.raises(RateLimitError, match="1 request at once; 0 remain"):
            openai.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=1)
        stream.close()
        wait_until(lambda: ask(client, max_tokens=1).status_code != 429)


def test_a_limit_is_read_changed_and_removed(administrator: httpx.Client, limited: Callable[..., httpx.Client]) -> None:
    client = limited(requests_per_minute=0, model=MODEL)
    assert ask(client).status_code == 429
    key = client.headers["authorization"].removeprefix("Bearer ")
    [mine] = client.get("/v1/organization/limits").json()["data"][-1:]
    assert (mine["scope"], mine["model"], mine["requests_per_minute"]) == ("key", MODEL, 0)
    assert set_limit(administrator, key, requests_per_minute=5, model=MODEL) == mine["id"]
    assert ask(client).status_code == 200
    assert administrator.delete(f"/v1/organization/limits/{mine['id']}").status_code == 200
    assert administrator.get(f"/v1/organization/limits/{mine['id']}").status_code == 404
    log = administrator.get("/v1/organization/audit_logs").json()["data"]
    assert {"limit.set", "limit.removed"} <= {entry["type"] for entry in log}


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 400, "At least one of requests_per_minute, tokens_per_minute, parallel_requests needs a number"),
        ({"requests_per_minute": -1}, 422, "greater than or equal to 0"),
        ({"requests_per_minute": "many"}, 422, "integer"),
        ({"requests_per_minute": 5, "key_id": "key_never"}, 404, "There is no API key 'key_never'"),
        ({"requests_per_minute": 5, "workspace_id": "never"}, 404, "There is no workspace 'never'"),
        ({"requests_per_minute": 5, "workspace_id": "general", "key_id": "k"}, 400, "not both"),
    ],
)
def test_an_invalid_limit_is_refused_with_the_reason(
    administrator: httpx.Client, body: dict[str, Any], status: int, word: str
) -> None:
    answer = administrator.post("/v1/organization/limits", json=body)
    assert answer.status_code == status
    assert word in answer.json()["message"]
