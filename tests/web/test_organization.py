"""``/v1/organization``: what each role may do; test_second_user.py covers other organizations' objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.server import RunningServer


@dataclass(frozen=True)
class Organization:
    """An organization with an owner, a developer, a second workspace and a key."""

    owner: httpx.Client
    workspace: str
    user: str
    key: str
    developer: httpx.Client


@pytest.fixture(scope="module")
def gateway(own_organization: RunningServer) -> RunningServer:
    return own_organization


def client(server: RunningServer, key: str) -> httpx.Client:
    return httpx.Client(base_url=f"{server.url}/v1/organization", headers={"authorization": f"Bearer {key}"})


def make(server: RunningServer) -> Organization:
    secret = aquilon(
        server.home, "keys", "create", "--name", "admin", "--scope", "administration", "--org", server.organization
    )
    owner = client(server, secret)
    workspace = owner.post("/workspaces", json={"name": "research"}).json()["id"]
    user = owner.post("/users", json={"name": "dora", "role": "developer"}).json()["id"]
    key = owner.post("/api_keys", json={"name": "dora's", "user_id": user, "scopes": ["administration"]}).json()
    return Organization(owner, workspace, user, key["id"], client(server, key["value"]))


@pytest.fixture(scope="module")
def ours(gateway: RunningServer) -> Organization:
    return make(gateway)


def test_a_developer_sees_and_changes_only_their_own_keys_and_workspaces(ours: Organization) -> None:
    assert [key["id"] for key in ours.developer.get("/api_keys").json()["data"]] == [ours.key]
    assert [workspace["name"] for workspace in ours.developer.get("/workspaces").json()["data"]] == ["general"]
    others = next(key["id"] for key in ours.owner.get("/api_keys").json()["data"] if key["id"] != ours.key)
    assert ours.developer.get(f"/api_keys/{others}").status_code == 404
    assert ours.developer.delete(f"/api_keys/{others}").status_code == 404
    assert ours.developer.get(f"/workspaces/{ours.workspace}").status_code == 404
    for path in ("/users", "/audit_logs"):
        assert ours.developer.get(path).status_code == 403
    assert ours.developer.post("/workspaces", json={"name": "x"}).status_code == 403
    assert ours.developer.post(f"/users/{ours.user}", json={"role": "owner"}).status_code == 403


def test_a_key_can_t_create_a_key_with_scopes_that_it_lacks(ours: Organization) -> None:
    refused = ours.owner.post("/api_keys", json={"name": "more", "scopes": ["inference"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def test_a_key_without_the_administration_scope_can_t_administer(gateway: RunningServer, ours: Organization) -> None:
    with client(gateway, gateway.api_key) as plain:
        for path in ("/workspaces", "/users", "/api_keys", "/audit_logs"):
            refused = plain.get(path)
            assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def test_a_key_s_new_limits_hold_from_the_next_request(gateway: RunningServer, ours: Organization) -> None:
    key = ours.owner.post("/api_keys", json={"name": "limited", "scopes": ["administration"]}).json()
    path = f"/api_keys/{key['id']}"
    with client(gateway, key["value"]) as limited:
        assert limited.get("/workspaces").status_code == 200
        ours.owner.post(path, json={"allowed_addresses": ["192.0.2.0/24"]})
        assert limited.get("/workspaces").json()["code"] == "address_not_allowed"
        ours.owner.post(path, json={"allowed_addresses": None, "blocked": True})
        assert limited.get("/workspaces").status_code == 401
        ours.owner.post(path, json={"blocked": False})
        assert limited.get("/workspaces").status_code == 200
        second = ours.owner.post(f"{path}/rotate", json={"keep_seconds": 60}).json()
        with client(gateway, second["value"]) as rotated:
            assert (limited.get("/workspaces").status_code, rotated.get("/workspaces").status_code) == (200, 200)
            assert ours.owner.delete(path).json()["deleted"]
            assert (limited.get("/workspaces").status_code, rotated.get("/workspaces").status_code) == (401, 401)


@pytest.mark.parametrize(
    "limits",
    [{"allowed_addresses": ["nowhere"]}, {"expires_at": 1}, {"name": " "}, {"scopes": ["everything"]}, {"name": 5}],
)
def test_invalid_key_fields_are_refused_with_the_field_s_name(ours: Organization, limits: dict[str, Any]) -> None:
    refused = ours.owner.post("/api_keys", json={"name": "k", "scopes": ["administration"]} | limits)
    assert refused.status_code in (400, 422)
    assert refused.json()["param"] or refused.json()["detail"]


def test_the_last_owner_can_t_be_demoted_or_disabled(ours: Organization) -> None:
    owner = next(user for user in ours.owner.get("/users").json()["data"] if user["role"] == "owner")
    for answer in (
        ours.owner.post(f"/users/{owner['id']}", json={"role": "member"}),
        ours.owner.delete(f"/users/{owner['id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "last_owner")


def test_the_keys_of_an_archived_workspace_stop_working(gateway: RunningServer, ours: Organization) -> None:
    workspace = ours.owner.post("/workspaces", json={"name": "short-lived"}).json()["id"]
    key = ours.owner.post(
        "/api_keys", json={"name": "k", "workspace_id": workspace, "scopes": ["administration"]}
    ).json()["value"]
    with client(gateway, key) as inside:
        assert inside.get("/workspaces").status_code == 200
        assert ours.owner.post(f"/workspaces/{workspace}/archive").json()["status"] == "archived"
        assert inside.get("/workspaces").status_code == 401
    first = ours.owner.get("/workspaces").json()["data"][0]
    assert ours.owner.post(f"/workspaces/{first['id']}/archive").status_code == 400


def test_members_are_added_changed_listed_and_removed(ours: Organization) -> None:
    path = f"/workspaces/{ours.workspace}/users"
    assert ours.owner.post(path, json={"user_id": ours.user, "role": "billing"}).json()["role"] == "billing"
    assert ours.owner.post(f"{path}/{ours.user}", json={"role": "developer"}).json()["role"] == "developer"
    assert [member["name"] for member in ours.owner.get(path).json()["data"]] == ["dora"]
    assert ours.owner.post(f"{path}/{ours.user}", json={"role": "owner"}).status_code == 400
    assert ours.owner.delete(f"{path}/{ours.user}").status_code == 200
    assert ours.owner.delete(f"{path}/{ours.user}").status_code == 404


def test_the_audit_log_names_actors_and_targets_without_secrets(ours: Organization) -> None:
    key = ours.owner.post("/api_keys", json={"name": "audited", "scopes": ["administration"]}).json()
    ours.owner.delete(f"/api_keys/{key['id']}")
    answer = ours.owner.get("/audit_logs", params={"limit": 2}).json()
    assert [entry["type"] for entry in answer["data"]] == ["api_key.revoked", "api_key.created"]
    assert answer["data"][0]["actor"]["type"] == "api_key"
    assert key["value"] not in json.dumps(answer)
    assert answer["has_more"]
    following = ours.owner.get("/audit_logs", params={"after": answer["last_id"]}).json()["data"]
    assert {"operator"} <= {entry["actor"]["type"] for entry in following}
    assert key["id"] not in {entry["target"]["id"] for entry in following}


def test_lists_are_paged(ours: Organization) -> None:
    first = ours.owner.get("/workspaces", params={"limit": 1}).json()
    assert (len(first["data"]), first["has_more"]) == (1, True)
    second = ours.owner.get("/workspaces", params={"limit": 1, "after": first["last_id"]}).json()
    assert second["first_id"] not in (None, first["first_id"])
    assert ours.owner.get("/workspaces", params={"limit": 0}).status_code == 400
    assert ours.owner.get("/workspaces", params={"limit": "many"}).status_code == 422


def test_a_member_gets_the_same_refusal_for_existing_and_unknown_users(
    gateway: RunningServer, ours: Organization
) -> None:
    """On every route that names a user."""
    plain = ours.owner.post("/users", json={"name": "plain", "role": "member"}).json()["id"]
    secret = ours.owner.post("/api_keys", json={"name": "k", "user_id": plain, "scopes": ["administration"]}).json()
    with client(gateway, secret["value"]) as member:
        assert member.get(f"/users/{plain}").status_code == 200
        for user in (ours.user, "user_never"):
            answers = [
                member.get(f"/users/{user}"),
                member.post(f"/users/{user}", json={"name": "other"}),
                member.delete(f"/users/{user}"),
                member.post(f"/users/{user}/link"),
                member.post(f"/users/{user}/reset"),
                member.post("/api_keys", json={"name": "k", "user_id": user, "scopes": ["administration"]}),
                member.post(f"/workspaces/general/users/{user}", json={"role": "member"}),
                member.delete(f"/workspaces/general/users/{user}"),
            ]
            assert [answer.status_code for answer in answers] == [403] * len(answers), user
