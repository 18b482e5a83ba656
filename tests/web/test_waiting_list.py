"""The waiting list: visitors ask to join, an administrator admits them in waves."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.support.people import BEHIND_A_PROXY, PASSWORD, browser, joined, signed_in_owner
from tests.support.server import RunningServer, start_server

LIST = "/v1/organization/waiting-list"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for these tests alone: requests to join are counted by address."""
    running = start_server(tmp_path_factory.mktemp("waiting"), environment={"AQUILON_MODELS": "none", **BEHIND_A_PROXY})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer) -> httpx.Client:
    return signed_in_owner(gateway)


@pytest.fixture(autouse=True)
def open_and_empty(owner: httpx.Client) -> None:
    assert owner.put(f"{LIST}/settings", json={"open": True}).json()["open"]
    for entry in waiting(owner):
        owner.delete(f"{LIST}/{entry['id']}").raise_for_status()


def ask(gateway: RunningServer, name: str, *, address: str | None = None, **more: str) -> httpx.Response:
    """From an address of its own, unless one is given."""
    email = f"{name.lower().replace(' ', '.')}@example.org"
    host = address or f"203.0.113.{1 + hash(name) % 250}"
    with browser(gateway, address=host) as visitor:
        return visitor.post("/auth/waiting-list", json={"name": name, "email": email, **more})


def waiting(owner: httpx.Client, **query: str) -> list[dict[str, str]]:
    return list(owner.get(LIST, params=query).json()["data"])


def test_the_list_is_closed_until_an_administrator_opens_it(gateway: RunningServer, owner: httpx.Client) -> None:
    assert owner.put(f"{LIST}/settings", json={"open": False}).json()["open"] is False
    assert owner.get("/auth/methods").json()["waiting_list"] is False
    for organization in ({}, {"organization": gateway.organization}, {"organization": "nobody's"}):
        refused = ask(gateway, "Early Bird", **organization)
        assert (refused.status_code, refused.json()["code"]) == (404, "waiting_list_closed")
    owner.put(f"{LIST}/settings", json={"open": True})
    assert owner.get("/auth/methods").json()["waiting_list"] is True
    logged = [entry["type"] for entry in owner.get("/v1/organization/audit_logs").json()["data"]]
    assert {"waiting_list.opened", "waiting_list.closed"} <= set(logged)


def test_a_visitor_asks_is_admitted_and_joins_in_the_role_and_workspace(
    gateway: RunningServer, owner: httpx.Client
) -> None:
    workspace = owner.post("/v1/organization/workspaces", json={"name": "early"}).json()["id"]
    assert ask(gateway, "Rosa Luna", reason="To  translate\nletters").json()["received"] is True
    [entry] = waiting(owner)
    assert (entry["name"], entry["email"], entry["reason"]) == (
        "Rosa Luna",
        "rosa.luna@example.org",
        "To translate letters",
    )
    users = [user["email"] for user in owner.get("/v1/organization/users").json()["data"]]
    assert entry["email"] not in users
    admission = {"entry_ids": [entry["id"]], "role": "developer", "workspace_ids": ["early"], "expires_in": 3600}
    [admitted] = owner.post(f"{LIST}/admit", json=admission).json()["data"]
    assert admitted["email"] == entry["email"]
    assert waiting(owner) == []
    [row] = [row for row in waiting(owner, status="admitted") if row["id"] == entry["id"]]
    assert row["invitation_id"] == admitted["invitation_id"]
    assert admitted["token"] not in str(row)
    with browser(gateway) as rosa:
        body = {"token": admitted["token"], "name": admitted["name"], "email": admitted["email"], "password": PASSWORD}
        session = rosa.post("/auth/join", json=body).json()
    assert session["user"]["role"] == "developer"
    assert [place["id"] for place in session["workspaces"]] == [workspace]
    again = owner.post(f"{LIST}/admit", json=admission)
    assert (again.status_code, again.json()["code"]) == (409, "not_waiting")


def test_a_person_s_request_is_in_their_archive_and_goes_with_their_account(
    gateway: RunningServer, owner: httpx.Client
) -> None:
    ask(gateway, "Rosa Parks", reason="To sit where I like")
    [admitted] = owner.post(f"{LIST}/admit", json={"first": 1}).json()["data"]
    with browser(gateway) as rosa:
        body = {"token": admitted["token"], "name": "another name", "password": PASSWORD}  # and no address
        rosa.post("/auth/join", json=body).raise_for_status()
        with zipfile.ZipFile(io.BytesIO(rosa.get("/v1/me/export").content)) as archive:
            profile = json.loads(archive.read("profile.json"))
        assert [each["reason"] for each in profile["waiting_list"]] == ["To sit where I like"]
        assert any(entry["name"] == "Rosa Parks" for entry in waiting(owner, status="admitted"))
        rosa.post("/v1/me/deletion", json={"confirm": "another name", "password": PASSWORD}).raise_for_status()
    assert not any(entry["name"] == "Rosa Parks" for entry in waiting(owner, status="admitted"))


def test_an_invitation_used_twice_at_the_same_moment_admits_once(gateway: RunningServer, owner: httpx.Client) -> None:
    ask(gateway, "Twice")
    [admitted] = owner.post(f"{LIST}/admit", json={"first": 1}).json()["data"]

    def join(name: str) -> int:
        with browser(gateway) as person:
            body = {"token": admitted["token"], "name": name, "password": PASSWORD}
            return person.post("/auth/join", json=body).status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(join, ("one", "two", "three", "four"))) == [200, 404, 404, 404]


def test_a_wave_admits_who_asked_first_and_nobody_twice(gateway: RunningServer, owner: httpx.Client) -> None:
    names = [f"wave {number}" for number in range(6)]
    for name in names:
        ask(gateway, name)
    with ThreadPoolExecutor(2) as threads:
        waves = list(threads.map(lambda _: owner.post(f"{LIST}/admit", json={"first": 2}).json()["data"], range(2)))
    assert sorted(person["name"] for wave in waves for person in wave) == names[:4]
    assert [entry["name"] for entry in waiting(owner)] == names[4:]
    assert len(owner.post(f"{LIST}/admit", json={"first": 200}).json()["data"]) == 2
    refused = owner.post(f"{LIST}/admit", json={})
    assert (refused.status_code, refused.json()["param"]) == (400, "entry_ids")


def test_the_answer_is_the_same_whoever_has_the_address(gateway: RunningServer, owner: httpx.Client) -> None:
    member = joined(gateway, owner, "known")
    assert member.get("/auth/session").json()["user"]["email"] == "known@example.org"
    answers = {ask(gateway, name).text for name in ("stranger", "stranger", "known")}
    assert len(answers) == 1
    assert [entry["name"] for entry in waiting(owner)] == ["stranger", "known"]
    for entry in waiting(owner):
        owner.post(f"{LIST}/refuse", json={"entry_ids": [entry["id"]]}).raise_for_status()
    assert ask(gateway, "stranger").text in answers  # a refused one stays refused
    assert waiting(owner) == []


def test_a_flood_from_one_network_is_stopped(gateway: RunningServer, owner: httpx.Client) -> None:
    answers = [ask(gateway, f"flood {number}", address=f"2001:db8:0:7::{number}") for number in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert ask(gateway, "elsewhere", address="2001:db8:0:8::1").status_code == 200
    assert len(waiting(owner)) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\x00b"},
        {"email": "nobody"},
        {"email": "a" * 250 + "@x.org"},
        {"reason": "x" * 301},
        {"reason": "\x1b[31mred"},
    ],
    ids=str,
)
def test_what_a_visitor_writes_is_bounded(gateway: RunningServer, owner: httpx.Client, wrong: dict[str, str]) -> None:
    body = {"name": "Visitor", "email": "visitor@example.org", **wrong}
    with browser(gateway, address="198.51.100.9") as visitor:
        assert visitor.post("/auth/waiting-list", json=body).status_code in (400, 422)
    assert waiting(owner) == []


def test_the_list_is_searched_and_read_page_by_page(gateway: RunningServer, owner: httpx.Client) -> None:
    for name in ("Ada Nord", "Bea 100%", "Cleo Nord"):
        ask(gateway, name)
    assert [entry["name"] for entry in waiting(owner, search="nord")] == ["Ada Nord", "Cleo Nord"]
    assert [entry["name"] for entry in waiting(owner, search="100%")] == ["Bea 100%"]
    first = owner.get(LIST, params={"limit": 2}).json()
    assert first["has_more"] is True
    rest = owner.get(LIST, params={"limit": 2, "after": first["last_id"]}).json()
    assert ([entry["name"] for entry in rest["data"]], rest["has_more"]) == (["Cleo Nord"], False)


def test_only_who_may_invite_reads_or_changes_the_list(gateway: RunningServer, owner: httpx.Client) -> None:
    ask(gateway, "Private")
    [entry] = waiting(owner)
    boss = joined(gateway, owner, "wave-boss", role="administrator")
    plain = joined(gateway, owner, "plain-waiter", role="developer")
    for answer in (
        plain.get(LIST),
        plain.get(f"{LIST}/settings"),
        plain.put(f"{LIST}/settings", json={"open": False}),
        plain.post(f"{LIST}/admit", json={"first": 1}),
        plain.post(f"{LIST}/refuse", json={"entry_ids": [entry["id"]]}),
        plain.delete(f"{LIST}/{entry['id']}"),
        boss.post(f"{LIST}/admit", json={"first": 1, "role": "owner"}),
    ):
        assert answer.status_code == 403, answer.text
    assert boss.get(LIST).json()["data"] == [entry]
    assert boss.post(f"{LIST}/admit", json={"entry_ids": [entry["id"], "entry_unknown"]}).status_code == 404
    assert boss.get(LIST).json()["data"] == [entry]  # all or none


def test_another_site_can_t_ask_in_a_visitor_s_name(gateway: RunningServer) -> None:
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    body = {"name": "Forged", "email": "forged@example.org"}
    assert httpx.post(f"{gateway.url}/auth/waiting-list", json=body, headers=evil).status_code == 403
