"""Guessing passwords: which guesses count together, and how many hashes each costs."""

from __future__ import annotations

import unicodedata

import pytest

from aquilon.errors import ApiError
from aquilon.people.password_hashes import Passwords
from aquilon.people.sign_in import FAILURES_OF_A_NETWORK, FAILURES_OF_AN_ACCOUNT, SignIn, network_of
from aquilon.people.store import accounts
from aquilon.people.store.passwords import set_password_hash
from aquilon.people.store.sessions import Browser
from aquilon.storage import Database

PASSWORD = "correct horse battery staple"


class CountedPasswords(Passwords):
    """Argon2id, and how often it ran."""

    hashes = 0

    async def verify(self, hash_: str | None, password: str) -> bool:
        self.hashes += 1
        return await super().verify(hash_, password)


@pytest.fixture
def passwords() -> CountedPasswords:
    return CountedPasswords(memory_kib=64)


@pytest.fixture
async def sign_in(database: Database, passwords: CountedPasswords) -> SignIn:
    """José in the organization that runs the server; ``shared@example.org`` in three organizations."""
    hash_ = await passwords.hash(PASSWORD)
    async with database.writing() as session:
        for number, name in enumerate(("First House", "Second House", "Third House")):
            organization = await accounts.create_organization(session, name)
            person = await accounts.create_user(
                session, organization.id, f"person {number}", role="member", email="shared@example.org"
            )
            await set_password_hash(session, person, hash_)
            if not number:
                jose = await accounts.create_user(
                    session, organization.id, "José", role="member", email="jose@example.org"
                )
                await set_password_hash(session, jose, hash_)
                await accounts.create_user(session, organization.id, "without", role="member")
    return SignIn(database, passwords)


async def guess(sign_in: SignIn, name: str, organization: str | None = None, *, address: str = "") -> int:
    """The status of the answer to a wrong password."""
    with pytest.raises(ApiError) as refused:
        await sign_in.by_password(name, "a wrong guess", organization, browser=Browser(address=address), former=None)
    return refused.value.status


WRITTEN_DIFFERENTLY = {
    "a name with blanks": [("{}", None), (" {}", None), ("{} ", "First House"), ("{}", " First House "), ("{}", None)],
    "a name by case and composition": [
        ("{}", None),
        ("{upper}", None),
        ("{nfd}", None),
        ("{wide}", None),
        ("{}", None),
    ],
    "an address anywhere": [
        ("{}@example.org", None),
        ("{upper}@EXAMPLE.org", None),
        ("{}@example.org", "First House"),
        ("{}@example.org", "Second House"),
        (" {}@example.org", "nowhere"),
    ],
}


@pytest.mark.parametrize("name", ["José", "nobody"])
@pytest.mark.parametrize("ways", WRITTEN_DIFFERENTLY.values(), ids=WRITTEN_DIFFERENTLY)
async def test_guesses_count_together_for_every_way_to_write_a_name_known_or_not(
    sign_in: SignIn, name: str, ways: list[tuple[str, str | None]]
) -> None:
    if any("@" in way for way, _ in ways):
        name = name.lower().replace("é", "e")
    assert len(ways) == FAILURES_OF_AN_ACCOUNT
    forms = {"upper": name.upper(), "nfd": unicodedata.normalize("NFD", name)}
    forms["wide"] = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)
    for number, (way, organization) in enumerate(ways):
        written = way.format(name, **forms)
        assert await guess(sign_in, written, organization, address=f"192.0.2.{number}") == 401
    assert await guess(sign_in, ways[0][0].format(name, **forms), address="192.0.2.99") == 429


async def test_guesses_by_an_account_s_name_and_by_its_address_count_together(sign_in: SignIn) -> None:
    for number in range(FAILURES_OF_AN_ACCOUNT):
        name = "José" if number % 2 else "jose@example.org"
        assert await guess(sign_in, name, address=f"192.0.2.{number}") == 401
    for name in ("José", "jose@example.org"):
        assert await guess(sign_in, name, address="192.0.2.99") == 429


async def test_a_right_password_resets_only_its_own_account_among_those_with_one_address(
    sign_in: SignIn, database: Database, passwords: CountedPasswords
) -> None:
    async with database.writing() as session:
        [second, *_] = (await accounts.claimants(session, "person 1", "Second House")).users
        await set_password_hash(session, second, await passwords.hash("quite another long phrase"))
    for _ in range(FAILURES_OF_AN_ACCOUNT):
        await sign_in.by_password(
            "shared@example.org", "quite another long phrase", "Second House", browser=Browser(), former=None
        )
        assert await guess(sign_in, "shared@example.org", "First House") == 401
    assert await guess(sign_in, "person 0") == 429
    await sign_in.by_password("person 1", "quite another long phrase", "Second House", browser=Browser(), former=None)


@pytest.mark.parametrize("name", ["person 0", "José", "without", "nobody"])
async def test_a_guess_by_name_costs_one_hash_whether_or_not_the_account_exists(
    sign_in: SignIn, passwords: CountedPasswords, name: str
) -> None:
    before = passwords.hashes
    await guess(sign_in, name)
    assert passwords.hashes - before == 1


async def test_a_guess_by_address_costs_the_same_for_three_accounts_one_or_none(
    sign_in: SignIn, passwords: CountedPasswords
) -> None:
    costs = set()
    for address in ("shared@example.org", "jose@example.org", "nobody@example.org"):
        before = passwords.hashes
        await guess(sign_in, address)
        costs.add(passwords.hashes - before)
    before = passwords.hashes
    await sign_in.by_password("jose@example.org", PASSWORD, None, browser=Browser(), former=None)
    costs.add(passwords.hashes - before)
    assert len(costs) == 1


async def test_an_ipv6_client_s_whole_network_waits_together(sign_in: SignIn) -> None:
    for number in range(FAILURES_OF_A_NETWORK):
        assert await guess(sign_in, f"name {number}", address=f"2001:db8:1:2:{number:x}::{number:x}") == 401
    assert await guess(sign_in, "another", address="2001:db8:1:2:ffff::1") == 429
    assert await guess(sign_in, "another", address="2001:db8:1:3::1") == 401


def test_a_network_is_a_64_of_ipv6_and_an_address_of_ipv4_in_any_notation() -> None:
    assert network_of("2001:db8:1:2::7") == network_of("2001:0db8:1:2:ffff::9")
    assert network_of("2001:db8:1:2::7") != network_of("2001:db8:1:3::7")
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7") != network_of("192.0.2.8")
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth0")
    assert network_of("no address") == "no address"
