"""Checks of upstreams' addresses: only vetted addresses are connected to. Also how upstreams are stored."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.upstream_gateway import Gateway, open_gateway
from tests.support.upstream_server import upstream_server

from aquilon.errors import ApiError
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import KEY_FILE, Sealer
from aquilon.upstreams import administration
from aquilon.upstreams import store as upstreams
from aquilon.upstreams.upstream import (
    ProvidedModel,
    Upstream,
    checked_base_url,
    is_forbidden,
    is_private,
    literal_address,
)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "private", "forbidden"),
    [
        ("93.184.216.34", False, False),
        ("2606:2800:220:1::1", False, False),
        ("127.0.0.1", True, False),
        ("10.1.2.3", True, False),
        ("192.168.1.1", True, False),
        ("::1", True, False),
        ("fd00::1", True, False),
        ("100.64.0.1", True, False),
        ("::ffff:10.0.0.1", True, False),
        ("64:ff9b::7f00:1", True, False),
        ("169.254.169.254", True, True),
        ("::ffff:169.254.169.254", True, True),
        ("64:ff9b::a9fe:a9fe", True, True),
        ("fe80::1", True, True),
        ("100.100.100.200", True, True),
        ("::ffff:100.100.100.200", True, True),
        ("192.0.0.192", True, True),
        ("168.63.129.16", True, True),
        ("fd00:ec2::254", True, True),
        ("fd20:ce::254", True, True),
        ("fd00:c1::a9fe:a9fe", True, True),
        ("fd00:42::42", True, True),
        ("0.0.0.0", True, True),
        ("::", True, True),
        ("224.0.0.1", False, True),
        ("255.255.255.255", True, True),
    ],
)
def test_private_and_forbidden_addresses_are_recognized(text: str, private: bool, forbidden: bool) -> None:
    address = ipaddress.ip_address(text)
    assert is_forbidden(address) == forbidden
    assert is_private(address) == private or forbidden


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1."])
def test_loopback_is_recognized_in_every_notation(host: str) -> None:
    assert literal_address(host) == ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v1",
        "http://2852039166/v1",
        "http://[fe80::1]/v1",
        "http://0/",
        "http://100.100.100.200/latest",
        "http://[fd00:ec2::254]/",
    ],
)
def test_a_base_url_to_a_forbidden_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a server"):
        checked_base_url(url)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Make every name resolve to these addresses; returns the list of resolved names."""
    names: list[str] = []

    async def getaddrinfo(host: str, port: int | None, **_: Any) -> list[Any]:
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return names


class TestRebinding:
    async def test_a_public_name_that_leads_to_a_private_address_later_is_not_connected_to(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with upstream_server() as inside:
            resolve_to(monkeypatch, "93.184.216.34")
            port = inside.url.rpartition(":")[2]
            added = await gateway.add(f"http://api.example.com:{port}/v1")
            assert not added.private
            resolve_to(monkeypatch, "127.0.0.1")
            with pytest.raises(ApiError) as refused:
                await gateway.whole()
            assert refused.value.code == "upstream_unreachable"
            assert inside.connections == 0

    async def test_a_name_with_a_private_address_among_public_ones_is_not_connected_to(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve_to(monkeypatch, "93.184.216.34")
        await gateway.add("http://api.example.com:9/v1")
        resolve_to(monkeypatch, "93.184.216.34", "10.0.0.1")
        with pytest.raises(ApiError, match="can't be reached"):
            await gateway.whole()

    async def test_an_operator_may_add_a_name_in_a_private_network(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with upstream_server() as inside:
            resolve_to(monkeypatch, "127.0.0.1")
            added = await gateway.add(f"http://gpu.internal:{inside.url.rpartition(':')[2]}/v1")
            assert added.private
            await gateway.whole()
            assert inside.connections == 1

    async def test_a_private_upstream_must_not_lead_to_a_link_local_address(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve_to(monkeypatch, "10.0.0.1")
        assert (await gateway.add("http://gpu.internal:9/v1")).private
        resolve_to(monkeypatch, "169.254.169.254")
        with pytest.raises(ApiError, match="can't be reached"):
            await gateway.whole()


async def test_no_name_is_resolved_before_a_request(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    names = resolve_to(monkeypatch, "93.184.216.34")
    await gateway.registry.refresh()
    assert names == []


class TestStored:
    async def test_upstreams_are_stored_with_sealed_secrets(self, database: Database, settings: Settings) -> None:
        sealer = Sealer.of(settings)
        new = Upstream(
            id="",
            name="a",
            kind="openai",
            base_url="https://api.example.com/v1/",
            api_key="sk-secret",
            headers={"x-team": "blue"},
            models=(ProvidedModel("m", "there", max_context=100, capabilities=frozenset({"chat"}), weight=5),),
        )
        async with database.writing() as session:
            before = await upstreams.version(session)
            added = await upstreams.store(session, sealer, new)
            assert await upstreams.version(session) != before
        async with database.reading() as session:
            [stored] = await upstreams.upstreams(session, sealer)
        assert stored == added
        assert (stored.base_url, stored.api_key, stored.headers) == (
            "https://api.example.com/v1",
            "sk-secret",
            {"x-team": "blue"},
        )
        assert stored.models == new.models
        assert "sk-secret" not in repr(stored)
        async with database.writing() as session:
            await upstreams.remove(session, added.id)
            assert await upstreams.upstreams(session, sealer) == []

    async def test_fallbacks_are_kept_in_order_and_removed(self, database: Database) -> None:
        async with database.writing() as session:
            await upstreams.set_fallbacks(session, "m", ("b", "a"))
            assert await upstreams.fallbacks(session) == {"m": ("b", "a")}
            await upstreams.set_fallbacks(session, "m", ())
            assert await upstreams.fallbacks(session) == {}


async def test_a_lost_key_makes_the_upstream_unusable_and_says_so(gateway: Gateway) -> None:
    async with upstream_server() as upstream:
        added = await gateway.add(upstream.url)
        (Path(gateway.database.name).parent / KEY_FILE).unlink()
        [stored] = await administration.list_upstreams(gateway.database, gateway.sealer, gateway.operator)
        assert "put" in stored.problem
        with pytest.raises(ValueError, match="together with its key"):
            await administration.change(
                gateway.database, gateway.sealer, gateway.operator, id_or_name=added.id, changes={"enabled": False}
            )
        changes = {"api_key": "again"}
        again = await administration.change(
            gateway.database, gateway.sealer, gateway.operator, id_or_name=added.id, changes=changes
        )
        assert (again.problem, again.api_key) == ("", "again")


class TestSecrets:
    """Secrets are sent only to the server that they were given for."""

    @pytest.mark.parametrize(
        "moved", ["http://api.example:1234/v1", "https://api.example:8000/v1", "http://other.example:8000/v1"]
    )
    async def test_a_new_scheme_host_or_port_needs_new_secrets(self, gateway: Gateway, moved: str) -> None:
        added = await gateway.add("http://api.example:8000/v1", headers={"x-secret": "s"})

        async def change(**changes: Any) -> Upstream:
            return await administration.change(
                gateway.database, gateway.sealer, gateway.operator, id_or_name=added.id, changes=changes
            )

        for secrets in ({}, {"api_key": "new"}, {"headers": {}}):
            with pytest.raises(ValueError, match=r"its secrets were given for http://api\.example:8000: send"):
                await change(base_url=moved, **secrets)
        [kept] = await administration.list_upstreams(gateway.database, gateway.sealer, gateway.operator)
        assert kept.base_url == added.base_url
        changed = await change(base_url=moved, api_key=None, headers={})
        assert (changed.base_url, changed.api_key, changed.headers) == (moved, None, {})

    async def test_another_path_on_the_same_server_keeps_the_secrets(self, gateway: Gateway) -> None:
        added = await gateway.add("https://API.example/v1")
        for path in ("https://api.example:443/v2", "https://api.example/openai/v1"):
            changes = {"base_url": path}
            changed = await administration.change(
                gateway.database, gateway.sealer, gateway.operator, id_or_name=added.id, changes=changes
            )
            assert changed.api_key == added.api_key

    async def test_an_upstream_without_secrets_moves_freely(self, gateway: Gateway) -> None:
        added = await gateway.add("http://api.example/v1", api_key=None)
        changes = {"base_url": "http://other.example/v1"}
        changed = await administration.change(
            gateway.database, gateway.sealer, gateway.operator, id_or_name=added.id, changes=changes
        )
        assert changed.base_url == changes["base_url"]
