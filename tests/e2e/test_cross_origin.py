"""A web application at another origin, in a real browser: with a key it may do what the operator allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser
from tests.support.people import cookie_header, signed_in_owner
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection, well
from tests.support.upstream_stand_ins import stand_in

CALL = """
async ([path, options]) => {
  try {
    const answer = await fetch(path, options);
    return { status: answer.status, id: answer.headers.get("x-request-id"), text: await answer.text() };
  } catch (error) {
    return { status: 0 };
  }
}
"""


async def page(connection: Connection) -> None:
    """Serves the application's page, and answers as its model's upstream."""
    if connection.request.path == "/":
        text = b"<!doctype html><title>An application</title>"
        await connection.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)
        )
    elif connection.request.method == "POST":
        await well(connection)
    else:
        await connection.answer(404, {})


@pytest.fixture(scope="module")
def application() -> Iterator[str]:
    with stand_in(page) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(application: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    environment = {
        "AQUILON_MODELS": "none",
        "AQUILON_CORS_ORIGINS": application,
        "AQUILON_MAX_BODY_BYTES": "2000",
    }
    running = start_server(tmp_path_factory.mktemp("gateway"), environment=environment)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer, application: str) -> Iterator[httpx.Client]:
    with closing(signed_in_owner(gateway)) as person:
        body = {"name": "there", "base_url": application, "models": [{"name": "far"}]}
        person.post("/v1/server/upstreams", json=body).raise_for_status()
        yield person


@pytest.mark.slow
async def test_an_application_calls_the_api_with_a_key_and_never_with_a_session(
    browser: Browser, gateway: RunningServer, application: str, owner: httpx.Client
) -> None:
    context = await browser.new_context()
    try:
        tab = await context.new_page()
        await tab.goto(application)

        async def call(path: str, *, key: str | None = gateway.api_key, **options: Any) -> dict[str, Any]:
            headers = {"content-type": "application/json", "x-stainless-lang": "js"}
            headers |= {} if key is None else {"authorization": f"Bearer {key}"}
            return dict(await tab.evaluate(CALL, [gateway.url + path, {"headers": headers} | options]))  # type: ignore[arg-type]

        question = '{"model": "far", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
        answer = await call("/v1/chat/completions", method="POST", body=question)
        assert (answer["status"], answer["text"].endswith("data: [DONE]\n\n")) == (200, True)
        assert answer["id"]
        for path, options, status in (
            ("/v1/models", {}, 200),
            ("/v1/models", {"key": "aq-wrong"}, 401),
            ("/v1/nothing", {}, 404),
            ("/v1/models", {"method": "PUT", "body": "{}"}, 405),
            ("/v1/chat/completions", {"method": "POST", "body": "x" * 3000}, 413),
        ):
            assert (await call(path, **options))["status"] == status, path

        name, _, value = cookie_header(owner)["cookie"].partition("=")
        await context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        assert (await call("/v1/models", key=None, credentials="include"))["status"] == 0
        assert (await call("/auth/session"))["status"] == 0
        await tab.goto(application.replace("127.0.0.1", "localhost"))
        assert (await call("/v1/models"))["status"] == 0
    finally:
        await context.close()
