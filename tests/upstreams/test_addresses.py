"""Where upstreams may lead: each resolved address is vetted, and connected to exactly; and what is stored of them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.upstream_house import House, gateway
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
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with gateway(tmp_path) as made:
        yield made


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
        ("0.0.0.0", True, True),
        ("::", True, True),
        ("224.0.0.1", False, True),
        ("255.255.255.255", True, True),
    ],
)
def test_addresses_are_told_apart(text: str, private: bool, forbidden: bool) -> None:
    address = ipaddress.ip_address(text)
    assert is_forbidden(address) == forbidden
    assert is_private(address) == private or forbidden


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1."])
def test_loopback_is_known_in_every_spelling(host: str) -> None:
    assert literal_address(host) == ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/v1", "http://2852039166/v1", "http://[fe80::1]/v1", "http://0/"]
)
def test_a_base_url_to_a_forbidden_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a server"):
        checked_base_url(url)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """The world's names as this test wants them; gives what was asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int | None, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


class TestRebinding:
    async def test_a_public_name_that_leads_to_a_private_address_later_is_not_connected_to(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with upstream_server() as inside:
            resolve_to(monkeypatch, "93.184.216.34")
            port = inside.url.rpartition(":")[2]
            made = await house.add(f"http://api.example.com:{port}/v1")
            assert not made.private
            resolve_to(monkeypatch, "127.0.0.1")
            with pytest.raises(ApiError) as refused:
                await house.whole()
            assert refused.value.code == "upstream_unreachable"
            assert inside.connections == 0

    async def test_one_private_address_among_public_ones_is_enough(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve_to(monkeypatch, "93.184.216.34")
        await house.add("http://api.example.com:9/v1")
        resolve_to(monkeypatch, "93.184.216.34", "10.0.0.1")
        with pytest.raises(ApiError, match="can't be reached"):
            await house.whole()

    async def test_a_name_in_a_private_network_is_the_operator_s_choice(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with upstream_server() as inside:
            resolve_to(monkeypatch, "127.0.0.1")
            made = await house.add(f"http://gpu.internal:{inside.url.rpartition(':')[2]}/v1")
            assert made.private
            await house.whole()
            assert inside.connections == 1

    async def test_even_there_a_link_local_address_is_refused(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve_to(monkeypatch, "10.0.0.1")
        assert (await house.add("http://gpu.internal:9/v1")).private
        resolve_to(monkeypatch, "169.254.169.254")
        with pytest.raises(ApiError, match="can't be reached"):
            await house.whole()


async def test_nothing_is_looked_up_before_somebody_asks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve_to(monkeypatch, "93.184.216.34")
    await house.registry.refresh()
    assert asked == []


class TestStored:
    async def test_upstreams_are_what_was_stored_with_their_secrets_sealed(
        self, database: Database, settings: Settings
    ) -> None:
        sealer = Sealer.of(settings)
        given = Upstream(
            id="",
            name="a",
            kind="openai",
            base_url="https://api.example.com/v1/",
            api_key="sk-secret",
            headers={"x-team": "blue"},
            models=(ProvidedModel("m", "there", 100, frozenset({"chat"}), 5),),
        )
        async with database.writing() as session:
            before = await upstreams.version(session)
            made = await upstreams.store(session, sealer, given)
            assert await upstreams.version(session) != before
        async with database.reading() as session:
            [found] = await upstreams.upstreams(session, sealer)
        assert found == made
        assert (found.base_url, found.api_key, found.headers) == (
            "https://api.example.com/v1",
            "sk-secret",
            {"x-team": "blue"},
        )
        assert found.models == given.models
        assert "sk-secret" not in repr(found)
        async with database.writing() as session:
            await upstreams.remove(session, made.id)
            assert await upstreams.upstreams(session, sealer) == []

    async def test_fallbacks_are_kept_in_order_and_removed(self, database: Database) -> None:
        async with database.writing() as session:
            await upstreams.set_fallbacks(session, "m", ("b", "a"))
            assert await upstreams.fallbacks(session) == {"m": ("b", "a")}
            await upstreams.set_fallbacks(session, "m", ())
            assert await upstreams.fallbacks(session) == {}


async def test_a_lost_key_makes_the_upstream_unusable_and_says_so(house: House) -> None:
    async with upstream_server() as elsewhere:
        made = await house.add(elsewhere.url)
        (Path(house.database.name).parent / KEY_FILE).unlink()
        [found] = await administration.list_upstreams(house.database, house.sealer, house.operator)
        assert "put" in found.problem
        with pytest.raises(ValueError, match="together with its key"):
            await administration.change(house.database, house.sealer, house.operator, made.id, {"enabled": False})
        changes = {"api_key": "again"}
        again = await administration.change(house.database, house.sealer, house.operator, made.id, changes)
        assert (again.problem, again.api_key) == ("", "again")
