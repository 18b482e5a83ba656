"""Signing in at a real OpenID provider: npm's ``oidc-provider`` on loopback, walked through as a browser does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.database_file import database_bytes
from tests.support.openid_provider import CLIENT_ID, CLIENT_SECRET, PUBLIC_CLIENT_ID, openid_provider, sign_in_there
from tests.support.people import PASSWORD, browser, joined, signed_in_owner
from tests.support.server import RunningServer, start_server

PROVIDERS = "/v1/server/identity-providers"
NAMES = ("corp", "public", "open", "linking")


@dataclass(frozen=True)
class House:
    server: RunningServer
    owner: httpx.Client
    issuer: str

    def begin(self, person: httpx.Client, provider: str = "corp", **body: Any) -> str:
        answer = person.post(f"/auth/oidc/{provider}/start", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    def come_back(self, person: httpx.Client, login: str, provider: str = "corp", **body: Any) -> httpx.Response:
        """From our page to the provider's and to our callback."""
        url = self.begin(person, provider, **body)
        with httpx.Client() as there:  # separate cookies: ports share them, and the provider's login isn't ours
            callback = sign_in_there(there, url, login, until=self.server.url)
        return person.get(callback)

    def session(self, person: httpx.Client) -> dict[str, Any]:
        answer = person.get("/auth/session")
        assert answer.status_code == 200
        return dict(answer.json())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    server = start_server(tmp_path_factory.mktemp("sso"), environment={"AQUILON_MODELS": "none"})
    try:
        with openid_provider(*(f"{server.url}/auth/oidc/{name}/callback" for name in NAMES)) as issuer:
            owner = signed_in_owner(server)
            common = {"issuer": issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
            for provider in (
                {
                    "name": "corp",
                    "label": "Example Corp",
                    "email_domains": ["Example.org"],
                    "newcomer_role": "developer",
                },
                {"name": "public", "client_id": PUBLIC_CLIENT_ID, "client_secret": None, "newcomer_role": "member"},
                {"name": "open"},
                {"name": "linking", "email_domains": ["example.org"], "links_by_email": True},
            ):
                assert owner.post(PROVIDERS, json=common | provider).status_code == 200
            yield House(server, owner, issuer)
    finally:
        server.stop()


def failure(answer: httpx.Response) -> str:
    assert answer.status_code == 303
    assert "aquilon-session" not in answer.headers.get("set-cookie", "")
    return answer.headers["location"].removeprefix("/#sign-in-failed=")


def test_the_sign_in_methods_list_the_identity_providers(house: House) -> None:
    methods = httpx.get(f"{house.server.url}/auth/methods").json()
    assert methods["password"]
    assert {"name": "corp", "label": "Example Corp"} in methods["providers"]
    assert house.issuer not in json.dumps(methods)


def test_a_newcomer_of_an_allowed_domain_gets_one_account_for_all_sign_ins(house: House) -> None:
    with browser(house.server) as ada:
        answer = house.come_back(ada, "ada", to="/console?tab=keys")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console?tab=keys")
        first = house.session(ada)
        assert first["user"] | {"id": ""} == {
            "id": "",
            "name": "Ada Lovelace",
            "email": "ada@example.org",
            "role": "developer",
            "has_password": False,
        }
        [mine] = ada.get("/auth/sessions").json()["data"]
        assert mine["method"] == "oidc:corp"
        [identity] = ada.get("/auth/identities").json()["data"]
        assert (identity["provider"], identity["subject"], identity["email"]) == ("corp", "ada", "ada@example.org")
        last = ada.delete("/auth/identities/corp")
        assert (last.status_code, last.json()["code"]) == (400, "last_way_in")
    with browser(house.server) as ada:
        house.come_back(ada, "ada")
        assert house.session(ada)["user"]["id"] == first["user"]["id"]


def test_a_public_client_with_another_signature_algorithm_signs_in(house: House) -> None:
    with browser(house.server) as eve:
        assert house.come_back(eve, "eve", "public").headers["location"] == "/"
        assert house.session(eve)["user"]["role"] == "member"


@pytest.mark.parametrize(
    ("login", "provider", "code"),
    [
        ("eve", "corp", "email_domain_not_allowed"),
        ("mallory", "corp", "email_not_verified"),
        ("grace", "open", "not_invited"),
    ],
)
def test_a_refused_sign_in_has_a_code_with_the_reason(house: House, login: str, provider: str, code: str) -> None:
    with browser(house.server) as stranger:
        assert failure(house.come_back(stranger, login, provider)) == code
        assert stranger.get("/auth/session").status_code == 401


def test_an_invitation_lets_in_a_person_whom_the_provider_would_refuse(house: House) -> None:
    token = house.owner.post("/v1/organization/invitations", json={"role": "billing"}).json()["token"]
    with browser(house.server) as grace:
        house.come_back(grace, "grace", "open", invitation=token)
        assert house.session(grace)["user"]["role"] == "billing"
    with browser(house.server) as eve:
        assert failure(house.come_back(eve, "eve", "open", invitation=token)) == "invitation_not_open"


class TestTakingOver:
    """An address alone doesn't open an account: neither an invented one nor one that was put on an account before."""

    def test_an_unverified_address_is_never_linked_to_an_account(self, house: House) -> None:
        with browser(house.server) as mallory:
            assert failure(house.come_back(mallory, "mallory", "linking")) == "email_not_verified"

    def test_an_address_links_only_to_an_account_to_which_an_administrator_gave_it(self, house: House) -> None:
        user = house.owner.post("/v1/organization/users", json={"name": "linked", "email": "link@example.org"}).json()
        claimed = joined(house.server, house.owner, "claimed")
        with browser(house.server) as person:
            assert failure(house.come_back(person, "claimed-at-provider", "linking")) == "account_exists"
            house.come_back(person, "link", "linking")
            assert house.session(person)["user"]["id"] == user["id"]
        assert house.session(claimed)["user"]["name"] == "claimed"
        assert claimed.post("/auth/profile", json={"email": "claimed-later@example.org"}).status_code == 200
        with browser(house.server) as person:
            assert failure(house.come_back(person, "claimed-later", "linking")) == "account_exists"

    def test_a_signed_in_person_adds_and_removes_an_identity(self, house: House) -> None:
        person = joined(house.server, house.owner, "adder")
        me = house.session(person)["user"]["id"]
        house.come_back(person, "adder-at-corp", "open", link=True)
        with browser(house.server) as again:
            house.come_back(again, "adder-at-corp", "open")
            assert house.session(again)["user"]["id"] == me
        other = joined(house.server, house.owner, "other")
        assert failure(house.come_back(other, "adder-at-corp", "open", link=True)) == "identity_taken"
        assert failure(house.come_back(person, "second-at-corp", "open", link=True)) == "already_linked"
        assert person.delete("/auth/identities/open").status_code == 204
        with browser(house.server) as again:
            assert failure(house.come_back(again, "adder-at-corp", "open")) == "not_invited"

    def test_an_identity_is_added_only_while_the_person_stays_signed_in(self, house: House) -> None:
        with browser(house.server) as nobody:
            assert nobody.post("/auth/oidc/open/start", json={"link": True}).status_code == 401
        person = joined(house.server, house.owner, "leaving")
        url = house.begin(person, "open", link=True)
        with httpx.Client() as there:
            callback = sign_in_there(there, url, "leaving-at-corp", until=house.server.url)
        person.post("/auth/logout")
        assert failure(person.get(callback)) == "not_begun_here"


class TestForgedAnswers:
    def answer(self, house: House, person: httpx.Client) -> str:
        with httpx.Client() as there:
            return sign_in_there(there, house.begin(person), "ada", until=house.server.url)

    def test_another_browser_can_t_finish_a_sign_in(self, house: House) -> None:
        """Login CSRF: an attacker sends the answer for the attacker's account to another person."""
        with browser(house.server) as attacker, browser(house.server) as victim:
            callback = self.answer(house, attacker)
            assert failure(victim.get(callback)) == "not_begun_here"
            house.begin(victim)  # even during the victim's own sign-in
            assert failure(victim.get(callback)) == "not_begun_here"

    def test_an_answer_of_the_provider_works_once(self, house: House) -> None:
        with browser(house.server) as ada:
            callback = self.answer(house, ada)
            assert ada.get(callback).headers["location"] == "/"
            assert failure(ada.get(callback)) == "not_begun_here"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"state": "x"}, "not_begun_here"),
            ({"state": ""}, "not_begun_here"),
            ({"code": "x"}, "provider_unusable"),
            ({"code": ""}, "provider_refused"),
            ({"error": "access_denied"}, "provider_refused"),
            ({"iss": "https://evil.example"}, "provider_unusable"),
            ({"iss": None}, "provider_unusable"),
        ],
    )
    def test_a_changed_answer_signs_nobody_in(self, house: House, change: dict[str, str | None], code: str) -> None:
        with browser(house.server) as ada:
            parts = urlsplit(self.answer(house, ada))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()} | change
            callback = urlunsplit(parts._replace(query=""))
            params = {name: value for name, value in query.items() if value is not None}
            assert failure(ada.get(callback, params=params)) == code

    def test_an_answer_for_one_provider_is_refused_for_another(self, house: House) -> None:
        with browser(house.server) as ada:
            callback = self.answer(house, ada).replace("/corp/", "/open/")
            assert failure(ada.get(callback)) == "not_begun_here"

    def test_a_sign_in_begins_only_on_our_page(self, house: House) -> None:
        evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        assert httpx.post(f"{house.server.url}/auth/oidc/corp/start", json={}, headers=evil).status_code == 403
        assert httpx.get(f"{house.server.url}/auth/oidc/corp/start").status_code == 405

    @pytest.mark.parametrize(
        "to", ["https://evil.example", "//evil.example", "/\\evil.example", "", "console", "/a\nb"]
    )
    def test_a_sign_in_leads_only_to_our_pages(self, house: House, to: str) -> None:
        with browser(house.server) as ada:
            refused = ada.post("/auth/oidc/corp/start", json={"to": to})
            assert (refused.status_code, refused.json()["param"]) == (400, "to")

    def test_the_pending_sign_in_is_sealed_in_a_cookie_that_scripts_can_t_read(self, house: House) -> None:
        with browser(house.server) as ada:
            answer = ada.post("/auth/oidc/corp/start", json={})
            cookie = answer.headers["set-cookie"]
            query = parse_qs(urlsplit(answer.json()["url"]).query)
            assert "httponly" in cookie.lower()
            assert "samesite=lax" in cookie.lower()
            assert query["state"][0] not in cookie
            assert query["code_challenge_method"] == ["S256"]
            assert query["redirect_uri"] == [f"{house.server.url}/auth/oidc/corp/callback"]


class TestProviders:
    def test_the_secret_is_sealed_and_never_shown(self, house: House) -> None:
        stored = database_bytes(house.server.home)
        assert CLIENT_SECRET.encode() not in stored
        shown = house.owner.get(f"{PROVIDERS}/corp")
        assert shown.json()["has_secret"]
        assert CLIENT_SECRET not in shown.text + house.owner.get("/v1/organization/audit_logs").text

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"name": "Not a name"}, "name"),
            ({"name": "corp"}, "name"),
            ({"issuer": "http://idp.example"}, "issuer"),
            ({"issuer": "https://user@idp.example"}, "issuer"),
            ({"issuer": "https://["}, "issuer"),
            ({"issuer": "https://idp.example:port"}, "issuer"),
            ({"issuer": "https://idp.example/#x"}, "issuer"),
            ({"email_domains": ["not a domain"]}, "email_domains"),
            ({"newcomer_role": "owner"}, "newcomer_role"),
            ({"scopes": ["two words"]}, "scopes"),
        ],
    )
    def test_an_invalid_provider_is_refused_with_the_field_s_name(
        self, house: House, fields: dict[str, Any], param: str
    ) -> None:
        body = {"name": "fresh", "issuer": house.issuer, "client_id": "x"} | fields
        refused = house.owner.post(PROVIDERS, json=body)
        assert (refused.status_code, refused.json()["param"]) == (400, param)

    def test_a_disabled_or_removed_provider_signs_nobody_in(self, house: House) -> None:
        body = {"name": "brief", "issuer": house.issuer, "client_id": CLIENT_ID}
        provider_id = house.owner.post(PROVIDERS, json=body).json()["id"]
        assert house.owner.post(f"{PROVIDERS}/{provider_id}", json={"disabled": True}).json()["disabled"]
        with browser(house.server) as person:
            assert person.post("/auth/oidc/brief/start", json={}).status_code == 404
            assert "brief" not in person.get("/auth/methods").text
        assert house.owner.delete(f"{PROVIDERS}/{provider_id}").json()["deleted"]
        assert house.owner.get(f"{PROVIDERS}/{provider_id}").status_code == 404

    def test_a_provider_belongs_to_a_named_organization(self, house: House) -> None:
        house.owner.post("/v1/server/organizations", json={"name": "Elsewhere"})
        body = {"name": "elsewhere", "issuer": house.issuer, "client_id": CLIENT_ID, "organization": "Elsewhere"}
        assert house.owner.post(PROVIDERS, json=body).json()["organization_name"] == "Elsewhere"
        unknown = house.owner.post(PROVIDERS, json=body | {"name": "x", "organization": "Nowhere"})
        assert unknown.status_code == 404

    def test_an_unreachable_provider_is_reported_and_logged(self, house: House) -> None:
        body = {"name": "down", "issuer": "http://127.0.0.1:9", "client_id": "x", "newcomer_role": "member"}
        house.owner.post(PROVIDERS, json=body)
        checked = house.owner.post(f"{PROVIDERS}/down/check")
        assert (checked.status_code, "can't be reached" in checked.json()["message"]) == (400, True)
        with browser(house.server) as person:
            refused = person.post("/auth/oidc/down/start", json={})
            assert (refused.status_code, refused.json()["code"]) == (502, "provider_unusable")
        assert "127.0.0.1:9" in house.server.log

    def test_the_command_line_adds_checks_lists_and_removes_providers(self, house: House) -> None:
        def sso(*arguments: str) -> str:
            return aquilon(house.server.home, "sso", *arguments, environment={"SSO_SECRET": CLIENT_SECRET})

        options = ("--client-id", CLIENT_ID, "--secret-env", "SSO_SECRET", "--domain", "example.org")
        printed = sso("add", "shell", house.issuer, *options, "--newcomers", "member")
        assert printed == "Redirect URI: https://YOUR-SERVER/auth/oidc/shell/callback"
        assert f"{house.issuer} answers" in sso("check", "shell")
        [row] = [row for row in json.loads(sso("list", "--json")) if row["name"] == "shell"]
        assert (row["has_secret"], row["newcomer_role"], row["email_domains"]) == (True, "member", ["example.org"])
        assert sso("remove", "shell") == "Removed shell"


def test_a_disabled_account_can_t_sign_in_with_its_provider(house: House) -> None:
    with browser(house.server) as person:
        house.come_back(person, "later-disabled", "public")
        user = house.session(person)["user"]["id"]
        house.owner.delete(f"/v1/organization/users/{user}")
        assert person.get("/auth/session").status_code == 401
        assert failure(house.come_back(person, "later-disabled", "public")) == "account_disabled"
    assert PASSWORD not in house.server.log
