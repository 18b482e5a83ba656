"""Signing in with a one-time link, and what protects the session."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.database_file import database_bytes
from tests.support.people import BEHIND_A_PROXY
from tests.support.server import RunningServer, start_server

from aquilon.people import first_run as accounts
from aquilon.settings import Settings
from aquilon.storage import Database

SIGN_IN = "/auth/login"


@pytest.fixture(scope="module")
def server(own_server: RunningServer) -> RunningServer:
    """Of its own: failed sign-ins are counted by address, whoever's they are."""
    return own_server


def new_token(server: RunningServer, *, user: str | None = None) -> str:
    """The token of a login link, created in the database as the command line does."""

    async def make() -> str:
        database = await Database.open(Settings(home=server.home))
        try:
            return await accounts.create_login_link(database, user)
        finally:
            await database.close()

    return asyncio.run(make())


@pytest.fixture
def browser(server: RunningServer) -> Iterator[httpx.Client]:
    """A client that sends what a browser on the server's own page sends."""
    headers = {"origin": server.url, "sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def signed_in(server: RunningServer, browser: httpx.Client) -> httpx.Client:
    assert browser.post(SIGN_IN, json={"token": new_token(server)}).status_code == 200
    return browser


def test_a_link_signs_in_once(server: RunningServer, browser: httpx.Client) -> None:
    token = new_token(server)
    answer = browser.post(SIGN_IN, json={"token": token})
    assert (answer.json()["user"]["name"], answer.json()["user"]["role"]) == ("admin", "owner")
    assert browser.get("/auth/session").json()["user"]["name"] == "admin"
    browser.cookies.clear()
    assert browser.post(SIGN_IN, json={"token": token}).status_code == 401
    assert browser.get("/auth/session").status_code == 401


def test_the_first_start_prints_a_login_link(server: RunningServer) -> None:
    assert re.fullmatch(re.escape(server.url) + r"/#login=[A-Za-z0-9_-]{43}", server.login_link)


def test_scripts_and_other_sites_can_t_read_the_cookie(server: RunningServer, browser: httpx.Client) -> None:
    cookie = browser.post(SIGN_IN, json={"token": new_token(server)}).headers["set-cookie"].lower()
    assert cookie.startswith("aquilon-session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie


def test_over_https_the_cookie_is_bound_to_the_host(gateway: RunningServer) -> None:
    """A TLS proxy on this machine says so in ``X-Forwarded-Proto``."""
    headers = {"x-forwarded-proto": "https", "origin": gateway.url.replace("http://", "https://")}
    answer = httpx.post(f"{gateway.url}{SIGN_IN}", json={"token": new_token(gateway)}, headers=headers)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-aquilon-session=")
    assert "secure" in cookie.lower()
    assert "strict-transport-security" in answer.headers


def test_the_session_is_stored_hashed(server: RunningServer, signed_in: httpx.Client) -> None:
    session_id = signed_in.cookies["aquilon-session"]
    stored = database_bytes(server.home)
    assert session_id.encode() not in stored
    assert server.api_key.encode() not in stored


def test_a_session_may_chat(signed_in: httpx.Client) -> None:
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    assert signed_in.post("/v1/chat/completions", json=body).status_code == 200
    assert signed_in.get("/v1/models").json()["data"]


def test_signing_out_ends_the_session_at_the_server(signed_in: httpx.Client) -> None:
    cookie = signed_in.cookies["aquilon-session"]
    assert signed_in.post("/auth/logout").status_code == 204
    assert "aquilon-session" not in signed_in.cookies
    again = signed_in.get("/auth/session", headers={"cookie": f"aquilon-session={cookie}"})
    assert again.status_code == 401


def test_signing_in_again_gives_a_new_session_and_ends_the_old(server: RunningServer, signed_in: httpx.Client) -> None:
    former = signed_in.cookies["aquilon-session"]
    assert signed_in.post(SIGN_IN, json={"token": new_token(server)}).status_code == 200
    assert signed_in.cookies["aquilon-session"] != former
    signed_in.cookies.set("aquilon-session", former)
    signed_in.cookies = httpx.Cookies({"aquilon-session": former})
    assert signed_in.get("/auth/session").status_code == 401


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("https://evil.example", "cross-site"),
        ("https://evil.example", None),
        ("null", None),
        ("http://127.0.0.1:1", "same-site"),
        ("http://localhost", "same-site"),
        (None, "cross-site"),
        (None, "same-site"),
        (None, "none"),
        (None, None),
    ],
)
def test_another_sites_request_is_refused(signed_in: httpx.Client, origin: str | None, site: str | None) -> None:
    del signed_in.headers["origin"], signed_in.headers["sec-fetch-site"]
    headers = {"origin": origin, "sec-fetch-site": site}
    sent = {name: value for name, value in headers.items() if value is not None}
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "hi"}]}
    answer = signed_in.post("/v1/chat/completions", json=body, headers=sent)
    assert answer.status_code == 403
    assert answer.json()["code"] == "cross_site"
    assert signed_in.post("/auth/logout", headers=sent).status_code == 403
    assert signed_in.get("/auth/session").status_code == 200


def test_sec_fetch_site_is_enough_where_a_browser_sends_no_origin(signed_in: httpx.Client) -> None:
    del signed_in.headers["origin"]
    assert signed_in.post("/tokenize", json={"model": "smollm2-135m", "prompt": "hi"}).status_code == 200


def test_a_link_cannot_be_spent_by_another_site(server: RunningServer, browser: httpx.Client) -> None:
    token = new_token(server)
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert browser.post(SIGN_IN, json={"token": token}, headers=evil).status_code == 403
    assert browser.post(SIGN_IN, json={"token": token}).status_code == 200


def test_a_wrong_key_is_refused_despite_a_valid_session(server: RunningServer, signed_in: httpx.Client) -> None:
    """The key counts, not the session."""
    assert signed_in.get("/v1/models", headers={"authorization": "Bearer aq-wrong"}).status_code == 401


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Another server, without a model: it starts quickly, and tests may change it."""
    running = start_server(tmp_path_factory.mktemp("gateway"), environment={"AQUILON_MODELS": "none", **BEHIND_A_PROXY})
    yield running
    running.stop()


class TestFromElsewhere:
    def test_failed_sign_ins_are_limited_by_address(self, gateway: RunningServer) -> None:
        with httpx.Client(base_url=gateway.url, headers={"x-forwarded-for": "203.0.113.5"}) as stranger:
            stranger.headers["x-forwarded-proto"] = "https"
            statuses = [stranger.post(SIGN_IN, json={"token": "guess"}).status_code for _ in range(11)]
            assert statuses == [401] * 10 + [429]
            refused = stranger.post(SIGN_IN, json={"token": gateway.login_link.partition("#login=")[2]})
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= 60
        with httpx.Client(base_url=gateway.url) as owner:
            token = gateway.login_link.partition("#login=")[2]
            assert owner.post(SIGN_IN, json={"token": token}).status_code == 200

    def test_signing_in_over_plain_http_from_elsewhere_is_refused(self, gateway: RunningServer) -> None:
        elsewhere = {"x-forwarded-for": "203.0.113.6"}
        answer = httpx.post(f"{gateway.url}{SIGN_IN}", json={"token": "guess"}, headers=elsewhere)
        assert answer.status_code == 403
        assert "https" in answer.json()["message"]

    def test_metrics_need_a_key_except_from_this_machine(self, gateway: RunningServer) -> None:
        elsewhere = {"x-forwarded-for": "203.0.113.6"}
        assert httpx.get(f"{gateway.url}/metrics").status_code == 200
        assert httpx.get(f"{gateway.url}/metrics", headers=elsewhere).status_code == 401
        key = {"authorization": f"Bearer {gateway.api_key}"}
        assert httpx.get(f"{gateway.url}/metrics", headers=elsewhere | key).status_code == 200

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""])
    def test_a_foreign_host_name_is_refused(self, gateway: RunningServer, host: str) -> None:
        answer = httpx.get(f"{gateway.url}/metrics", headers={"host": host})
        assert answer.status_code == 421
        assert answer.json()["code"] == "unknown_host"

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1234", "[::1]:8080", "LOCALHOST"])
    def test_this_machine_s_host_names_are_answered(self, gateway: RunningServer, host: str) -> None:
        assert httpx.get(f"{gateway.url}/health", headers={"host": host}).status_code == 200

    def test_a_server_without_models_says_which_models_it_has(self, gateway: RunningServer) -> None:
        key = {"authorization": f"Bearer {gateway.api_key}"}
        models = httpx.get(f"{gateway.url}/v1/models", headers=key).json()["data"]
        assert not [model["id"] for model in models if model["capabilities"]["completion_chat"]]
        body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=key)
        assert answer.status_code == 404
        assert "does not exist; this server has" in answer.json()["message"]
        assert httpx.get(f"{gateway.url}/ready").status_code == 200


def test_only_their_owner_can_read_the_files_in_the_home(server: RunningServer) -> None:
    for path in (server.home / "aquilon.db", server.home / "server.lock"):
        assert Path(path).stat().st_mode & 0o077 == 0
