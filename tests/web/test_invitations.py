"""Invitations: who may join an organization, as what, until when and how often."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.database_file import database_bytes
from tests.support.people import BEHIND_A_PROXY, PASSWORD, browser, joined, signed_in_owner
from tests.support.server import RunningServer, start_server

INVITATIONS = "/v1/organization/invitations"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for these tests alone: failed sign-ins are counted by address."""
    running = start_server(
        tmp_path_factory.mktemp("invitations"), environment={"AQUILON_MODELS": "none", **BEHIND_A_PROXY}
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer) -> httpx.Client:
    return signed_in_owner(gateway)


def join(gateway: RunningServer, token: str, name: str, **more: object) -> httpx.Response:
    with browser(gateway) as person:
        return person.post("/auth/join", json={"token": token, "name": name, "password": PASSWORD, **more})


def test_a_person_with_the_token_reads_the_invitation_and_joins(gateway: RunningServer, owner: httpx.Client) -> None:
    workspace = owner.post("/v1/organization/workspaces", json={"name": "research"}).json()["id"]
    invitation = owner.post(
        INVITATIONS, json={"role": "developer", "workspace_ids": ["research"], "note": "Rosa"}
    ).json()
    assert len(invitation["token"]) >= 43  # 256 bits
    with browser(gateway) as rosa:
        shown = rosa.post("/auth/invitations", json={"token": invitation["token"]}).json()
        assert (shown["organization"], shown["role"], shown["password"]) == (gateway.organization, "developer", True)
        answer = rosa.post(
            "/auth/join",
            json={"token": invitation["token"], "name": "rosa", "email": "rosa@x.org", "password": PASSWORD},
        )
        assert answer.status_code == 200
        session = rosa.get("/auth/session").json()
        assert (session["user"]["name"], session["user"]["role"]) == ("rosa", "developer")
        assert [(membership["id"], membership["role"]) for membership in session["workspaces"]] == [
            (workspace, "developer")
        ]
        spent = rosa.post("/auth/invitations", json={"token": invitation["token"]})
        assert (spent.status_code, spent.json()["code"]) == (404, "invitation_not_open")
    assert join(gateway, invitation["token"], "another").status_code == 404
    [row] = [row for row in owner.get(INVITATIONS).json()["data"] if row["id"] == invitation["id"]]
    assert (row["status"], row["used"], row["note"]) == ("used", 1, "Rosa")
    assert invitation["token"] not in owner.get(INVITATIONS).text
    assert invitation["token"].encode() not in database_bytes(gateway.home)
    assert invitation["token"] not in gateway.log
    logged = owner.get("/v1/organization/audit_logs").json()["data"]
    assert {"invitation.created", "user.joined"} <= {entry["type"] for entry in logged}


def test_an_invitation_is_never_used_more_often_than_allowed(gateway: RunningServer, owner: httpx.Client) -> None:
    token = owner.post(INVITATIONS, json={"uses": 3}).json()["token"]
    with ThreadPoolExecutor(6) as threads:
        statuses = list(threads.map(lambda number: join(gateway, token, f"crowd {number}").status_code, range(6)))
    assert sorted(statuses) == [200, 200, 200, 404, 404, 404]


def test_a_taken_name_does_not_use_up_the_invitation(gateway: RunningServer, owner: httpx.Client) -> None:
    token = owner.post(INVITATIONS, json={}).json()["token"]
    taken = join(gateway, token, "admin")
    assert (taken.status_code, "already" in taken.json()["message"]) == (400, True)
    assert join(gateway, token, "nobody else").status_code == 200


def test_a_withdrawn_invitation_is_refused_and_its_age_is_bounded(gateway: RunningServer, owner: httpx.Client) -> None:
    withdrawn = owner.post(INVITATIONS, json={}).json()
    assert owner.delete(f"{INVITATIONS}/{withdrawn['id']}").json()["status"] == "revoked"
    assert join(gateway, withdrawn["token"], "late").status_code == 404
    old = owner.post(INVITATIONS, json={"expires_in": 60}).json()
    assert old["expires_at"] <= time.time() + 60
    for wrong in (59, 90 * 24 * 3600 + 1):
        assert owner.post(INVITATIONS, json={"expires_in": wrong}).status_code == 422


def test_nobody_can_invite_to_a_role_above_their_own(gateway: RunningServer, owner: httpx.Client) -> None:
    boss, member = (
        joined(gateway, owner, "boss", role="administrator"),
        joined(gateway, owner, "plain", role="developer"),
    )
    refused = boss.post(INVITATIONS, json={"role": "owner"})
    assert (refused.status_code, refused.json()["code"]) == (403, "role_missing")
    assert boss.post(INVITATIONS, json={"role": "administrator"}).status_code == 200
    assert owner.post(INVITATIONS, json={"role": "owner"}).status_code == 200
    for answer in (member.post(INVITATIONS, json={}), member.get(INVITATIONS), member.delete(f"{INVITATIONS}/x")):
        assert answer.status_code == 403
    assert boss.post(INVITATIONS, json={"workspace_ids": ["nowhere"]}).status_code == 404


@pytest.mark.parametrize("change", [{"role": "member"}, {"disabled": True}])
def test_an_invitation_ends_when_its_creator_loses_the_right_to_invite(
    gateway: RunningServer, owner: httpx.Client, change: dict[str, object]
) -> None:
    boss = joined(gateway, owner, f"former-{'-'.join(change)}", role="administrator")
    token = boss.post(INVITATIONS, json={"role": "administrator", "uses": 5}).json()["token"]
    user = boss.get("/auth/session").json()["user"]["id"]
    assert owner.post(f"/v1/organization/users/{user}", json=change).status_code == 200
    assert join(gateway, token, "backdoor").status_code == 404


def test_guesses_are_limited_by_address(gateway: RunningServer) -> None:
    with browser(gateway, address="203.0.113.9") as stranger:
        statuses = [stranger.post("/auth/invitations", json={"token": "guess"}).status_code for _ in range(11)]
    assert statuses == [404] * 10 + [429]


def test_another_site_can_t_make_a_browser_join(gateway: RunningServer, owner: httpx.Client) -> None:
    token = owner.post(INVITATIONS, json={}).json()["token"]
    body = {"token": token, "name": "forged", "password": PASSWORD}
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert httpx.post(f"{gateway.url}/auth/join", json=body, headers=evil).status_code == 403


def test_the_command_line_creates_lists_and_revokes_invitations(gateway: RunningServer) -> None:
    def invitations(*arguments: str) -> str:
        return aquilon(gateway.home, "invitations", *arguments, "--org", gateway.organization)

    link = invitations("create", "--role", "owner", "--days", "1", "--uses", "2", "--note", "two owners")
    assert link.startswith(f"{gateway.url}/#invite=")
    assert join(gateway, link.partition("#invite=")[2], "second owner").json()["user"]["role"] == "owner"
    [row] = [row for row in json.loads(invitations("list", "--json")) if row["note"] == "two owners"]
    assert (row["status"], row["used"], row["created_by"]) == ("open", 1, "operator")
    assert "1 of 2" in invitations("list")
    assert invitations("revoke", row["id"]) == f"Revoked {row['id']}"
    assert join(gateway, link.partition("#invite=")[2], "third").status_code == 404
