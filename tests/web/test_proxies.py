"""The address that a request comes from: the network's, or the one that a trusted proxy names."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator

import httpx
import pytest
from tests.support.server import RunningServer, start_server

from aquilon.settings import Settings

FORWARDED = {"x-forwarded-for": "10.1.2.3", "x-forwarded-proto": "https"}


@pytest.fixture(scope="module", params=["", "192.0.2.7, 127.0.0.0/8"], ids=["no proxies", "a proxy here"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    environment = {"AQUILON_MODELS": "none", "AQUILON_TRUSTED_PROXIES": request.param}
    running = start_server(tmp_path_factory.mktemp("proxied"), environment=environment)
    yield running
    running.stop()


def trusts(server: RunningServer, request: pytest.FixtureRequest) -> bool:
    return bool(request.node.callspec.params["gateway"])


@pytest.fixture
def limited_key(gateway: RunningServer) -> str:
    """A key that is valid only from 10.0.0.0/8."""
    arguments = ["keys", "create", "--name", uuid.uuid4().hex, "--address", "10.0.0.0/8", "--home", str(gateway.home)]
    command = [sys.executable, "-m", "aquilon.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_keys_addresses_are_checked_against_the_network_and_trusted_proxies(
    gateway: RunningServer, limited_key: str, request: pytest.FixtureRequest
) -> None:
    key = {"authorization": f"Bearer {limited_key}"}
    url = f"{gateway.url}/v1/models"
    assert httpx.get(url, headers=key).status_code == 403
    assert httpx.get(url, headers=key | FORWARDED).status_code == (200 if trusts(gateway, request) else 403)
    spoofed = {"x-forwarded-for": "10.1.2.3, 198.51.100.9"}  # the proxy added the last one
    assert httpx.get(url, headers=key | spoofed).status_code == 403


def test_the_scheme_is_taken_only_from_trusted_proxies(gateway: RunningServer, request: pytest.FixtureRequest) -> None:
    headers = httpx.get(f"{gateway.url}/health", headers=FORWARDED).headers
    assert ("strict-transport-security" in headers) == trusts(gateway, request)


def test_a_page_behind_a_proxy_that_hides_its_address_is_refused_and_the_log_has_both(gateway: RunningServer) -> None:
    headers = FORWARDED | {"origin": "https://ai.example.org"}
    answer = httpx.post(f"{gateway.url}/auth/login", headers=headers, json={"token": "t"})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    [line] = [line for line in gateway.log.splitlines() if "its origin is not this server's address" in line]
    assert "origin=https://ai.example.org" in line
    assert gateway.url.removeprefix("http://") in line
    assert "trusted_proxies" in line


def test_a_forwarded_request_never_counts_as_local(gateway: RunningServer) -> None:
    """``/metrics`` needs no key on this machine, but requests through a proxy on it do."""
    assert httpx.get(f"{gateway.url}/metrics").status_code == 200
    for name in ("x-forwarded-for", "x-real-ip", "forwarded"):
        assert httpx.get(f"{gateway.url}/metrics", headers={name: "127.0.0.1"}).status_code == 401


def test_a_setting_that_is_not_an_address_is_refused() -> None:
    assert Settings(trusted_proxies="10.0.0.1, fd00::/8").trusted_proxies == ["10.0.0.1/32", "fd00::/8"]  # type: ignore[arg-type]
    for wrong in ("*", "proxy.example", "10.0.0.0/64"):
        with pytest.raises(ValueError, match="write addresses or networks"):
            Settings(trusted_proxies=wrong)  # type: ignore[arg-type]
