"""Web applications at other origins: which may call the API, and that no session is ever used for them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from aquilon.settings import Settings
from aquilon.web.boundary import Boundary

APP = "https://app.example"
OWN = "http://127.0.0.1:8080"
PREFLIGHT = {
    "origin": APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-os,anthropic-beta",
}


async def routes(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands below the boundary: answers with the cookies that it sees, or with the status that the path ends with."""
    request = Request(scope, receive)
    status = scope["path"].rpartition("/")[2]
    answer: Response = JSONResponse(request.cookies, int(status) if status.isdigit() else 200)
    if status == "failure":
        raise RuntimeError("a bug")
    await answer(scope, receive, send)


async def ask(path: str, *, origins: str = APP, method: str = "GET", url: str = OWN, **headers: str) -> httpx.Response:
    settings = Settings(cors_origins=origins)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(Boundary(routes, settings))
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        return await client.request(method, path, headers=headers)


def cors_headers(answer: httpx.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


async def test_by_default_no_other_origin_may_read_an_answer() -> None:
    for method in ("GET", "OPTIONS"):
        answer = await ask("/v1/models", origins="", method=method, **PREFLIGHT)
        assert cors_headers(answer) == set()
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "vary" not in answer.headers


@pytest.mark.parametrize("origin", ["https://other.example", "http://app.example", f"{APP}:444", "null", f"{APP}.evil"])
async def test_an_origin_that_is_not_listed_may_not(origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await ask("/v1/models", method=method, **PREFLIGHT | {"origin": origin})
        assert cors_headers(answer) == set()
        assert answer.headers["vary"] == "Origin"  # a cache must not give it what a listed origin got


async def test_a_preflight_allows_the_methods_and_headers_of_clients() -> None:
    answer = await ask("/v1/messages", method="OPTIONS", **PREFLIGHT)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-headers"] == PREFLIGHT["access-control-request-headers"]
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "Origin" in answer.headers["vary"]
    assert "x-request-id" in answer.headers


@pytest.mark.parametrize("names", ["a b", "a,,b", "a\x00", "x" * 101, ",".join(f"x-{n}" for n in range(1000))])
async def test_malformed_and_endless_lists_of_headers_are_not_repeated(names: str) -> None:
    answer = await ask("/v1/models", method="OPTIONS", **PREFLIGHT | {"access-control-request-headers": names})
    assert answer.status_code == 204
    assert "access-control-allow-headers" not in answer.headers


async def test_options_without_a_requested_method_is_no_preflight() -> None:
    assert (await ask("/v1/models", method="OPTIONS", origin=APP)).json() == {}


@pytest.mark.parametrize(("origins", "allowed"), [(f"https://x.example, {APP}", APP), ("*", "*")])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/401", "/v1/404", "/tokenize/413", "/api/429", "/v1/failure"])
async def test_an_allowed_origin_may_read_every_answer(origins: str, allowed: str, path: str) -> None:
    answer = await ask(path, origins=origins, origin=APP)
    assert answer.headers["access-control-allow-origin"] == allowed
    assert answer.headers["access-control-expose-headers"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["vary"] == "Origin"


async def test_an_allowed_origin_may_read_the_refusal_of_an_unknown_host() -> None:
    for method in ("GET", "OPTIONS"):
        answer = await ask("/v1/models", method=method, url="http://rebound.example", **PREFLIGHT)
        assert answer.status_code == 421
        assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize("origins", [APP, "*"])
async def test_a_request_of_an_allowed_origin_has_no_cookies_and_may_never_have(origins: str) -> None:
    answer = await ask("/v1/models", origins=origins, origin=APP, cookie="aquilon-session=secret")
    assert answer.json() == {}
    assert "access-control-allow-credentials" not in answer.headers
    preflight = await ask("/v1/models", origins=origins, method="OPTIONS", **PREFLIGHT)
    assert "access-control-allow-credentials" not in preflight.headers


@pytest.mark.parametrize("own", [{"origin": OWN}, {}])
async def test_our_own_page_keeps_its_session(own: dict[str, Any]) -> None:
    answer = await ask("/v1/models", origins="*", cookie="aquilon-session=secret", **own)
    assert answer.json() == {"aquilon-session": "secret"}
    assert cors_headers(answer) == set()


@pytest.mark.parametrize("path", ["/auth/session", "/auth/login", "/metrics"])
async def test_accounts_and_what_needs_no_key_on_this_machine_are_closed_to_every_origin(path: str) -> None:
    for method in ("GET", "OPTIONS"):
        assert cors_headers(await ask(path, origins="*", method=method, **PREFLIGHT)) == set()


@pytest.mark.parametrize(
    "origins", [APP, "http://localhost:3000", "http://[::1]:3000", "chrome-extension://abcdef", "*", f"{APP},{OWN}", ""]
)
def test_origins_are_taken_as_browsers_send_them(origins: str) -> None:
    assert ",".join(Settings(cors_origins=origins).cors_origins) == origins  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    ["app.example", f"{APP}/", "https://App.example", f"{APP}:443", "http://a.example:80", "https://*.example", "null",
     "https://user@app.example", f"{APP} {OWN}", "https://app.example:0"],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"is not an origin .* such as https://app\.example"):
        Settings(cors_origins=wrong)  # type: ignore[arg-type]


def test_any_origin_is_written_alone() -> None:
    with pytest.raises(ValueError, match=r"write \* alone"):
        Settings(cors_origins=f"*, {APP}")  # type: ignore[arg-type]
