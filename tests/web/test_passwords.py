"""Signing in with a password, and the sessions that a person has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import argon2
import httpx
import pytest
from tests.support.commands import aquilon, run_aquilon
from tests.support.database_file import database_bytes
from tests.support.people import BEHIND_A_PROXY, PASSWORD, browser, cookie_header, joined, signed_in_owner
from tests.support.server import RunningServer, start_server
from tests.support.work import work, work_of

from aquilon.people.password_hashes import ITERATIONS, LANES, MEMORY_KIB

OTHER = "quite another long phrase"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(
        tmp_path_factory.mktemp("passwords"), environment={"AQUILON_MODELS": "none", **BEHIND_A_PROXY}
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer) -> httpx.Client:
    person = signed_in_owner(gateway)
    assert person.post("/auth/password", json={"password": PASSWORD}).status_code == 204
    return person


def sign_in(person: httpx.Client, name: str, password: str, **more: str) -> httpx.Response:
    return person.post("/auth/login", json={"name": name, "password": password, **more})


def test_a_name_or_an_address_signs_in_and_the_session_has_the_user_and_permissions(
    gateway: RunningServer, owner: httpx.Client
) -> None:
    joined(gateway, owner, "nina", role="developer")
    for name in ("nina", "Nina@Example.org ", "nina@example.org"):
        with browser(gateway) as person:
            answer = sign_in(person, name, PASSWORD)
            assert answer.status_code == 200
            assert answer.json() == person.get("/auth/session").json()
            session = answer.json()
            assert session["user"]["email"] == "nina@example.org"
            assert session["user"]["has_password"]
            assert session["organization"]["operates"]
            assert session["workspace"]["role"] == "developer"
            assert "generate" in session["permissions"]
            assert not {"members.manage", "server.manage", "billing.manage"} & set(session["permissions"])
    assert "server.manage" in owner.get("/auth/session").json()["permissions"]


def test_every_failed_sign_in_has_the_same_answer_and_computes_a_hash(
    gateway: RunningServer, owner: httpx.Client
) -> None:
    """No refusal takes much less of the server's processor time than one hash does."""
    hasher = argon2.PasswordHasher(time_cost=ITERATIONS, memory_cost=MEMORY_KIB, parallelism=LANES)
    one_hash = work(lambda: hasher.hash(PASSWORD))
    joined(gateway, owner, "gone")
    joined(gateway, owner, "timed")
    without = owner.post("/v1/organization/users", json={"name": "without"}).json()
    gone = next(u for u in owner.get("/v1/organization/users").json()["data"] if u["name"] == "gone")
    owner.delete(f"/v1/organization/users/{gone['id']}")
    answers = set()
    for number, name in enumerate(("timed", "gone", without["name"], "nobody", "nobody@example.org")):
        with browser(gateway, address=f"198.51.100.{number}") as person:

            def refuse(person: httpx.Client = person, name: str = name) -> None:
                answer = sign_in(person, name, "not the right password")
                answers.add((answer.status_code, answer.json()["message"]))

            assert work_of(gateway.pid, refuse, times=3) > 3 * one_hash / 2
    assert answers == {(401, "The name or the password is wrong")}


def test_people_of_another_organization_name_it_to_sign_in(gateway: RunningServer, owner: httpx.Client) -> None:
    organization_body = owner.post("/v1/server/organizations", json={"name": "Other Inc", "owner": "olga"}).json()
    with browser(gateway) as olga:
        assert olga.post("/auth/login", json={"token": organization_body["owner"]["login_token"]}).status_code == 200
        assert olga.post("/auth/password", json={"password": OTHER}).status_code == 204
    with browser(gateway, address="198.51.100.20") as olga:
        assert sign_in(olga, "olga", OTHER).status_code == 401
        answer = sign_in(olga, "olga", OTHER, organization="Other Inc")
        assert (answer.status_code, answer.json()["organization"]["operates"]) == (200, False)
        assert "server.manage" not in answer.json()["permissions"]


class TestGuessing:
    def test_an_account_is_locked_for_a_while_after_failed_guesses_from_many_addresses(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        joined(gateway, owner, "target")
        for number in range(5):
            with browser(gateway, address=f"203.0.113.{number}") as stranger:
                assert sign_in(stranger, "target", f"guess number {number}").status_code == 401
        with browser(gateway, address="203.0.113.200") as person:
            refused = sign_in(person, "TARGET ", PASSWORD)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
            assert 0 < int(refused.headers["retry-after"]) <= 30
            assert sign_in(person, "admin", PASSWORD).status_code == 200

    def test_many_guesses_at_once_are_counted_before_they_are_answered(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        joined(gateway, owner, "rushed")

        def guess(number: int) -> int:
            with browser(gateway, address=f"192.0.2.{number}") as stranger:
                return sign_in(stranger, "rushed", f"guess number {number}").status_code

        with ThreadPoolExecutor(16) as threads:
            statuses = list(threads.map(guess, range(16)))
        assert statuses.count(401) == 5
        assert statuses.count(429) == 11

    @pytest.mark.slow
    def test_many_people_behind_one_address_can_sign_in_at_once(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        token = owner.post("/v1/organization/invitations", json={"uses": 12}).json()["token"]
        with browser(gateway) as person:
            for number in range(12):
                body = {"token": token, "name": f"clerk {number}", "password": PASSWORD}
                assert person.post("/auth/join", json=body).status_code == 200

        def sign_in_clerk(number: int) -> int:
            with browser(gateway, address="203.0.113.77") as person:
                return sign_in(person, f"clerk {number}", PASSWORD).status_code

        with ThreadPoolExecutor(12) as threads:
            assert set(threads.map(sign_in_clerk, range(12))) == {200}


class TestSetting:
    @pytest.mark.parametrize(
        ("password", "reason"),
        [("short", "12 to 500"), ("x" * 501, ""), ("aaaaaaaaaaaaaaaa", "different"), ("PICKY@example.org", "own name")],
    )
    def test_a_weak_password_is_refused_with_the_reason(
        self, gateway: RunningServer, owner: httpx.Client, password: str, reason: str
    ) -> None:
        token = owner.post("/v1/organization/invitations", json={}).json()["token"]
        body = {"token": token, "name": "picky", "email": "picky@example.org", "password": password}
        with browser(gateway) as person:
            refused = person.post("/auth/join", json=body)
            assert refused.status_code in (400, 422)
            assert reason in refused.json()["message"]
            assert password not in refused.text
            assert person.post(
                "/auth/join", json=body | {"password": PASSWORD, "name": f"picky {token[:5]}", "email": None}
            ).is_success

    def test_a_change_needs_the_present_password_and_ends_every_other_session(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        person = joined(gateway, owner, "carla")
        with browser(gateway) as elsewhere:
            assert sign_in(elsewhere, "carla", PASSWORD).status_code == 200
            missing = person.post("/auth/password", json={"password": OTHER})
            assert (missing.status_code, missing.json()["code"]) == (400, "current_password_required")
            wrong = person.post("/auth/password", json={"password": OTHER, "current": "not the right one"})
            assert wrong.status_code == 401
            assert person.post("/auth/password", json={"password": OTHER, "current": PASSWORD}).status_code == 204
            assert elsewhere.get("/auth/session").status_code == 401
        assert person.get("/auth/session").status_code == 200
        assert sign_in(person, "carla", PASSWORD).status_code == 401
        assert sign_in(person, "carla", OTHER).status_code == 200

    def test_a_forgotten_password_is_replaced_after_a_one_time_link(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        joined(gateway, owner, "forgetful")
        users = owner.get("/v1/organization/users").json()["data"]
        user = next(user["id"] for user in users if user["name"] == "forgetful")
        token = owner.post(f"/v1/organization/users/{user}/reset").json()["login_token"]
        with browser(gateway) as person:
            assert sign_in(person, "forgetful", PASSWORD).status_code == 401
            assert person.post("/auth/login", json={"token": token}).status_code == 200
            assert person.post("/auth/password", json={"password": OTHER}).status_code == 204
            assert sign_in(person, "forgetful", OTHER).status_code == 200

    def test_the_operator_sets_a_password_from_standard_input(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        person = joined(gateway, owner, "piped")
        command = ("users", "password", "piped")
        assert aquilon(gateway.home, *command, stdin=f"{OTHER}\n") == "piped signs in with this password now"
        assert person.get("/auth/session").status_code == 401
        assert sign_in(person, "piped", OTHER).status_code == 200
        refused = run_aquilon(gateway.home, *command, stdin="short\n")
        assert (refused.code, "12 to 500 characters" in refused.err) == (1, True)

    def test_an_api_key_can_t_set_a_password(self, gateway: RunningServer) -> None:
        key = {"authorization": f"Bearer {gateway.api_key}"}
        refused = httpx.post(f"{gateway.url}/auth/password", json={"password": OTHER}, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (403, "session_required")

    def test_no_password_is_stored_or_logged_in_the_clear(self, gateway: RunningServer, owner: httpx.Client) -> None:
        stored = database_bytes(gateway.home)
        assert PASSWORD.encode() not in stored
        assert b"$argon2id$v=19$m=47104,t=2,p=1$" in stored
        assert PASSWORD not in gateway.log
        assert PASSWORD not in owner.get("/v1/organization/audit_logs").text


class TestSessions:
    def test_sessions_are_listed_and_ended_one_by_one(self, gateway: RunningServer, owner: httpx.Client) -> None:
        person = joined(gateway, owner, "lena")
        with browser(gateway) as elsewhere:
            elsewhere.headers["user-agent"] = "Telephone/1.0"
            assert sign_in(elsewhere, "lena", PASSWORD).status_code == 200
            listed = person.get("/auth/sessions").json()["data"]
            assert [row["method"] for row in listed if row["current"]] == ["invitation"]
            [other] = [row for row in listed if not row["current"]]
            assert (other["method"], other["address"], other["user_agent"]) == (
                "password",
                "127.0.0.1",
                "Telephone/1.0",
            )
            assert elsewhere.get("/auth/session").status_code == 200
            assert not any(cookie.value in str(listed) for cookie in elsewhere.cookies.jar)
            assert person.delete(f"/auth/sessions/{other['id']}").status_code == 204
            assert elsewhere.get("/auth/session").status_code == 401
        again = person.delete(f"/auth/sessions/{other['id']}")
        never = person.delete("/auth/sessions/session_0")
        assert (again.status_code, never.status_code) == (404, 404)

    def test_nobody_can_end_another_person_s_session(self, gateway: RunningServer, owner: httpx.Client) -> None:
        person = joined(gateway, owner, "mine")
        [mine] = person.get("/auth/sessions").json()["data"]
        assert owner.delete(f"/auth/sessions/{mine['id']}").status_code == 404
        assert person.get("/auth/session").status_code == 200

    def test_a_session_works_in_the_workspace_that_it_chose(self, gateway: RunningServer, owner: httpx.Client) -> None:
        person = joined(gateway, owner, "walter", role="developer")
        user = person.get("/auth/session").json()["user"]["id"]
        workspace = owner.post("/v1/organization/workspaces", json={"name": "lab"}).json()["id"]
        assert person.post("/auth/workspace", json={"workspace_id": workspace}).status_code == 404
        owner.post(f"/v1/organization/workspaces/{workspace}/users", json={"user_id": user, "role": "billing"})
        session = person.post("/auth/workspace", json={"workspace_id": "lab"}).json()
        assert (session["workspace"]["id"], session["workspace"]["role"]) == (workspace, "billing")
        assert "generate" not in session["permissions"]
        assert {workspace["name"] for workspace in session["workspaces"]} == {"general", "lab"}
        owner.delete(f"/v1/organization/workspaces/{workspace}/users/{user}")
        assert person.get("/auth/session").json()["workspace"]["name"] == "general"


class TestProfile:
    def test_changes_of_name_and_address_are_in_the_audit_log(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        person = joined(gateway, owner, "vera")
        session = person.post("/auth/profile", json={"name": "Vera Rubin", "email": " Rubin@Example.org"}).json()
        assert session == person.get("/auth/session").json()
        assert (session["user"]["name"], session["user"]["email"]) == ("Vera Rubin", "rubin@example.org")
        entries = owner.get("/v1/organization/audit_logs", params={"limit": 2}).json()["data"]
        assert [entry["type"] for entry in entries] == ["user.email_set", "user.renamed"]
        assert {entry["actor"]["id"] for entry in entries} == {session["user"]["id"]}
        with browser(gateway) as again:
            assert sign_in(again, "vera", PASSWORD).status_code == 401
            assert sign_in(again, "rubin@example.org", PASSWORD).status_code == 200
        assert person.post("/auth/profile", json={"email": None}).json()["user"]["email"] is None

    def test_a_taken_or_invalid_name_or_address_is_refused_with_the_field_s_name(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        joined(gateway, owner, "tycho")
        person = joined(gateway, owner, "johannes")
        for body, param in (
            ({"name": "tycho"}, "name"),
            ({"email": "tycho@example.org"}, "email"),
            ({"email": "no address"}, "email"),
            ({"name": " "}, "name"),
        ):
            refused = person.post("/auth/profile", json=body)
            assert (refused.status_code, refused.json()["param"]) == (400, param)
        assert person.get("/auth/session").json()["user"]["name"] == "johannes"


class TestDisabling:
    """Access ends with the next request, although the server caches sessions and keys."""

    def test_a_disabled_user_s_sessions_and_keys_stop_working(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        person = joined(gateway, owner, "leaver", role="developer")
        user = person.get("/auth/session").json()["user"]["id"]
        key = person.post("/v1/organization/api_keys", json={"name": "k", "scopes": ["usage"]}).json()["value"]
        by_key = {"authorization": f"Bearer {key}"}
        cookies = cookie_header(person)

        def statuses() -> list[int]:
            return [
                httpx.get(f"{gateway.url}/auth/session", headers=headers).status_code for headers in (cookies, by_key)
            ]

        assert statuses() == [200, 200]
        assert owner.delete(f"/v1/organization/users/{user}").status_code == 200
        assert statuses() == [401, 401]
        assert sign_in(person, "leaver", PASSWORD).status_code == 401
        owner.post(f"/v1/organization/users/{user}", json={"disabled": False})
        assert statuses() == [401, 200]
        assert sign_in(person, "leaver", PASSWORD).status_code == 200

    def test_a_disabled_organization_s_sessions_and_keys_stop_working(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        organization = owner.post("/v1/server/organizations", json={"name": "Closing", "owner": "zed"}).json()
        with browser(gateway) as zed:
            zed.post("/auth/login", json={"token": organization["owner"]["login_token"]})
            key = zed.post("/v1/organization/api_keys", json={"name": "k"}).json()["value"]
            by_key = {"authorization": f"Bearer {key}"}
            assert zed.get("/v1/models").status_code == 200
            assert httpx.get(f"{gateway.url}/v1/models", headers=by_key).status_code == 200
            path = f"/v1/server/organizations/{organization['id']}"
            assert owner.post(path, json={"disabled": True}).json()["disabled_at"]
            assert zed.get("/v1/models").status_code == 401
            assert httpx.get(f"{gateway.url}/v1/models", headers=by_key).status_code == 401
            assert owner.post(path, json={"disabled": False}).json()["disabled_at"] is None
            assert httpx.get(f"{gateway.url}/v1/models", headers=by_key).status_code == 200

    def test_the_organization_that_runs_the_server_can_t_be_disabled(self, owner: httpx.Client) -> None:
        refused = owner.post("/v1/server/organizations/Example House", json={"disabled": True})
        assert (refused.status_code, refused.json()["code"]) == (400, "runs_the_server")


class TestOrganizations:
    def test_only_the_operator_sees_and_creates_organizations(
        self, gateway: RunningServer, owner: httpx.Client
    ) -> None:
        organization = owner.post("/v1/server/organizations", json={"name": "Guests", "owner": "gus"}).json()
        taken = owner.post("/v1/server/organizations", json={"name": "Guests"})
        assert (taken.status_code, taken.json()["param"]) == (400, "name")
        member = joined(gateway, owner, "plain")
        with browser(gateway) as gus:
            gus.post("/auth/login", json={"token": organization["owner"]["login_token"]})
            for person in (gus, member):
                for path, body in (
                    ("/v1/server/organizations", {"name": "x"}),
                    ("/v1/server/identity-providers", {"name": "x", "issuer": "https://x", "client_id": "x"}),
                ):
                    assert person.get(path).status_code == 403
                    assert person.post(path, json=body).status_code == 403
                assert person.get(f"/v1/server/organizations/{organization['id']}").status_code == 403
        assert {"Example House", "Guests"} <= {
            row["name"] for row in owner.get("/v1/server/organizations").json()["data"]
        }

    def test_an_organization_can_turn_passwords_off(self, gateway: RunningServer, owner: httpx.Client) -> None:
        organization = owner.post("/v1/server/organizations", json={"name": "Corp", "owner": "cora"}).json()
        with browser(gateway) as cora:
            cora.post("/auth/login", json={"token": organization["owner"]["login_token"]})
            cora.post("/auth/password", json={"password": PASSWORD})
            assert cora.post("/v1/organization", json={"password_sign_in": False}).json()["password_sign_in"] is False
            refused = sign_in(cora, "cora", PASSWORD, organization="Corp")
            assert (refused.status_code, refused.json()["code"]) == (403, "password_sign_in_off")
            assert sign_in(cora, "cora", "not the right one", organization="Corp").status_code == 401


def test_an_address_belongs_to_one_person_in_an_organization(gateway: RunningServer, owner: httpx.Client) -> None:
    joined(gateway, owner, "first")
    users = "/v1/organization/users"
    taken = owner.post(users, json={"name": "second", "email": "FIRST@example.org"})
    assert (taken.status_code, "belongs to another account" in taken.json()["message"]) == (400, True)
    wrong = owner.post(users, json={"name": "second", "email": "no address"})
    assert (wrong.status_code, "name@example.org" in wrong.json()["message"]) == (400, True)
    user = owner.post(users, json={"name": "second", "email": "second@example.org"}).json()
    changed = owner.post(f"{users}/{user['id']}", json={"email": None, "name": "2nd"}).json()
    assert (changed["email"], changed["name"]) == (None, "2nd")


def test_one_address_can_have_separate_accounts_in_several_organizations(
    gateway: RunningServer, owner: httpx.Client
) -> None:
    joined(gateway, owner, "both")
    created = owner.post("/v1/server/organizations", json={"name": "Second", "owner": "o", "email": "both@example.org"})
    with browser(gateway) as there:
        there.post("/auth/login", json={"token": created.json()["owner"]["login_token"]})
        there.post("/auth/password", json={"password": OTHER})
        for password, organization in ((PASSWORD, "Example House"), (OTHER, "Second")):
            session = sign_in(there, "both@example.org", password).json()
            assert session["organization"]["name"] == organization
        there.post("/auth/password", json={"password": PASSWORD, "current": OTHER})
        ambiguous = sign_in(there, "both@example.org", PASSWORD)
        assert (ambiguous.status_code, ambiguous.json()["code"]) == (400, "which_organization")
        session = sign_in(there, "both@example.org", PASSWORD, organization="Second").json()
        assert session["organization"]["name"] == "Second"
