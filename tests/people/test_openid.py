"""OpenID Connect against a provider that lies in every way: its ID tokens and documents are refused."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from aquilon.people.openid import Claims, Client, OpenIdError, OpenIdProviders

RSA, OTHER_RSA, EC = RSAKey.generate_key(2048), RSAKey.generate_key(2048), ECKey.generate_key("P-256")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
NONCE, REDIRECT = "our nonce", "http://127.0.0.1/auth/oidc/x/callback"


class LyingProvider(ThreadingHTTPServer):
    """Answers what the tests put into ``claims``, ``key``, ``header``, ``discovery``, ``user_info`` and ``token``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.requested_paths: list[str] = []
        self.reset()

    def reset(self) -> None:
        now = int(time.time())
        self.requested_paths.clear()
        self.claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": "aquilon",
            "exp": now + 300,
            "iat": now,
            "nonce": NONCE,
            "email": "ada@example.org",
            "email_verified": True,
        }
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.key: RSAKey | ECKey | OctKey = RSA
        self.published: list[dict[str, Any]] = [{**RSA.as_dict(private=False), "kid": "one", "use": "sig"}]
        self.discovery: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/me",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        }
        self.user_info: dict[str, Any] = {"sub": "ada"}
        self.token: str | None = None
        self.status = 200
        self.form = ""
        self.authorization: str | None = None

    def answer(self, path: str) -> bytes:
        self.requested_paths.append(path)
        if path == "/.well-known/openid-configuration":
            return json.dumps(self.discovery).encode()
        if path == "/keys":
            return json.dumps({"keys": self.published}).encode()
        if path == "/me":
            return json.dumps(self.user_info).encode()
        token = self.token or jws.serialize_compact(
            self.header, json.dumps(self.claims), self.key, algorithms=["RS256", "ES256", "HS256"]
        )
        return json.dumps({"id_token": token, "access_token": "a", "token_type": "Bearer"}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: LyingProvider

    def do_GET(self) -> None:
        body = self.server.answer(self.path)
        self.send_response(self.server.status if self.path in ("/token", "/me") else 200)
        if self.server.status == 302:
            self.send_header("location", "http://169.254.169.254/")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.form = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.authorization = self.headers["authorization"]
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def running() -> Iterator[LyingProvider]:
    with LyingProvider() as provider:
        thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()


@pytest.fixture
def provider(running: LyingProvider) -> LyingProvider:
    running.reset()
    return running


async def ask(
    provider: LyingProvider, providers: OpenIdProviders | None = None, secret: str | None = "s %+/:"
) -> Claims:
    client = Client(issuer=provider.issuer, client_id="aquilon", client_secret=secret, scopes=("openid", "email"))
    return await (providers or OpenIdProviders()).claims(client, REDIRECT, code="c", nonce=NONCE, verifier="v")


async def test_a_valid_token_is_accepted(provider: LyingProvider) -> None:
    assert await ask(provider) == Claims(subject="ada", email="ada@example.org")
    assert "code_verifier=v" in provider.form
    assert provider.authorization == "Basic " + base64.b64encode(b"aquilon:s%20%25%2B%2F%3A").decode()


LATE, SOON = int(time.time()) - 3600, int(time.time()) + 3600


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"nonce": "another's"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": "another client"}, "not for aquilon"),
        ({"aud": ["another client"]}, "not for aquilon"),
        ({"aud": []}, "not for aquilon"),
        ({"aud": ["aquilon", "another client"]}, "given to"),
        ({"azp": "another client"}, "given to"),
        ({"exp": LATE}, "expired"),
        ({"iat": LATE}, "not issued just now"),
        ({"iat": SOON}, "not issued just now"),
        ({"nbf": SOON}, "not issued just now"),
        ({"sub": ""}, "must have 1 to 255"),
        ({"sub": "x" * 256}, "must have 1 to 255"),
        ({"sub": 7}, "can't be read"),
        ({"sub": None}, "can't be read"),
        ({"exp": None}, "can't be read"),
        ({"exp": "tomorrow"}, "can't be read"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    provider: LyingProvider, lie: dict[str, Any], message: str
) -> None:
    provider.claims |= lie
    with pytest.raises(OpenIdError, match=message):
        await ask(provider)


class TestSignatures:
    async def test_a_token_signed_with_an_unpublished_key_is_refused(self, provider: LyingProvider) -> None:
        provider.key = OTHER_RSA
        with pytest.raises(OpenIdError, match="any of the provider's keys"):
            await ask(provider)

    async def test_an_unsigned_token_is_refused(self, provider: LyingProvider) -> None:
        parts = [json.dumps({"alg": "none"}), json.dumps(provider.claims)]
        encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
        provider.token = f"{'.'.join(encoded)}."
        with pytest.raises(OpenIdError, match="signed by 'none'"):
            await ask(provider)

    async def test_an_hmac_with_the_public_key_as_its_secret_is_refused(self, provider: LyingProvider) -> None:
        """A known attack: the provider's public key as the secret of an HMAC."""
        parts = [json.dumps({"alg": "HS256", "kid": "one"}), json.dumps(provider.claims)]
        signed = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
        mac = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
        provider.token = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        with pytest.raises(OpenIdError, match="signed by 'HS256'"):
            await ask(provider)

    async def test_an_hmac_with_a_published_shared_secret_is_refused(self, provider: LyingProvider) -> None:
        secret = OctKey.generate_key(256)
        provider.published = [{**secret.as_dict(private=True), "kid": "one"}]
        provider.header, provider.key = {"alg": "HS256", "kid": "one"}, secret
        with pytest.raises(OpenIdError, match="signed by 'HS256'"):
            await ask(provider)

    async def test_a_key_of_another_kind_than_the_algorithm_is_refused(self, provider: LyingProvider) -> None:
        provider.header, provider.key = {"alg": "ES256", "kid": "one"}, EC
        with pytest.raises(OpenIdError, match="any of the provider's keys"):
            await ask(provider)

    async def test_a_changed_payload_is_refused(self, provider: LyingProvider) -> None:
        honest = jws.serialize_compact(provider.header, json.dumps(provider.claims), RSA, algorithms=["RS256"])
        head, _, signature = honest.split(".")
        forged = base64.urlsafe_b64encode(json.dumps(provider.claims | {"sub": "admin"}).encode()).decode().rstrip("=")
        provider.token = f"{head}.{forged}.{signature}"
        with pytest.raises(OpenIdError, match="any of the provider's keys"):
            await ask(provider)

    @pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "....", "é.é.é", "x" * 5000])
    async def test_a_malformed_token_is_refused_with_a_clear_error(self, provider: LyingProvider, token: str) -> None:
        provider.token = token or " "
        with pytest.raises(OpenIdError, match="not a signed token"):
            await ask(provider)

    async def test_rotated_keys_are_read_again_but_not_for_every_forged_token(
        self, provider: LyingProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        providers = OpenIdProviders()
        await ask(provider, providers)
        provider.header, provider.key = {"alg": "RS256", "kid": "two"}, OTHER_RSA
        provider.published = [{**OTHER_RSA.as_dict(private=False), "kid": "two"}]
        provider.requested_paths.clear()
        with pytest.raises(OpenIdError):
            await ask(provider, providers)
        assert provider.requested_paths == ["/token"]
        providers._cached[provider.issuer].read_at -= 31
        assert (await ask(provider, providers)).subject == "ada"

    async def test_discovery_and_keys_are_cached(self, provider: LyingProvider) -> None:
        providers = OpenIdProviders()
        for _ in range(3):
            await ask(provider, providers)
        assert provider.requested_paths.count("/keys") == 1
        assert provider.requested_paths.count("/.well-known/openid-configuration") == 1


class TestAddresses:
    @pytest.mark.parametrize(
        ("verified", "email"), [(True, "ada@example.org"), ("true", "ada@example.org"), (False, None), (None, None)]
    )
    async def test_an_unverified_address_is_ignored(
        self, provider: LyingProvider, verified: Any, email: str | None
    ) -> None:
        provider.claims["email_verified"] = verified
        assert (await ask(provider)).email == email

    async def test_user_info_gives_a_missing_address_and_must_be_about_the_same_subject(
        self, provider: LyingProvider
    ) -> None:
        del provider.claims["email"]
        provider.user_info = {"sub": "ada", "email": "ada@example.org", "email_verified": True, "name": "Ada"}
        assert await ask(provider) == Claims(
            subject="ada", email="ada@example.org", name="Ada", preferred_username=None
        )
        provider.user_info["sub"] = "admin"
        with pytest.raises(OpenIdError, match="another subject"):
            await ask(provider)


class TestTransport:
    async def test_a_redirect_is_not_followed(self, provider: LyingProvider) -> None:
        provider.status = 302
        with pytest.raises(OpenIdError, match="status 302"):
            await ask(provider)

    async def test_a_discovery_document_of_another_issuer_is_refused(self, provider: LyingProvider) -> None:
        provider.discovery["issuer"] = "https://evil.example"
        with pytest.raises(OpenIdError, match="says that its issuer is"):
            await ask(provider)

    @pytest.mark.parametrize("endpoint", ["http://idp.example/token", "file:///etc/passwd", "ftp://127.0.0.1/", "x"])
    async def test_an_endpoint_without_https_is_refused(self, provider: LyingProvider, endpoint: str) -> None:
        provider.discovery["token_endpoint"] = endpoint
        with pytest.raises(OpenIdError, match="is not an https address"):
            await ask(provider)

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    async def test_a_remote_provider_s_endpoint_on_this_machine_is_refused(
        self, provider: LyingProvider, endpoint: str
    ) -> None:
        issuer, requested = "https://idp.example", []

        def answer(request: httpx.Request) -> httpx.Response:
            requested.append(str(request.url))
            endpoints = {name: f"{issuer}/{name}" for name in ENDPOINTS} | {endpoint: f"{provider.issuer}/keys"}
            return httpx.Response(200, json={"issuer": issuer, **endpoints})

        providers = OpenIdProviders()
        providers._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        with pytest.raises(OpenIdError, match=f"{endpoint} .* is not an https address, although its issuer is one"):
            await providers.discovery(issuer)
        assert requested == [f"{issuer}/.well-known/openid-configuration"]
        assert provider.requested_paths == []

    @pytest.mark.parametrize(
        ("body", "ending"),
        [
            (b'{"error": "invalid_grant", "error_description": "root:x:0:0"}', "status 400: invalid_grant"),
            (b'{"error": "root:x:0:0"}', "status 400"),
            (b"root:x:0:0", "status 400"),
            (b"\xff", "status 400"),
        ],
    )
    async def test_an_error_shows_the_provider_s_error_code_and_nothing_else_of_its_answer(
        self, provider: LyingProvider, monkeypatch: pytest.MonkeyPatch, body: bytes, ending: str
    ) -> None:
        usual_answer = provider.answer
        monkeypatch.setattr(provider, "answer", lambda path: body if path == "/token" else usual_answer(path))
        provider.status = 400
        with pytest.raises(OpenIdError) as caught:
            await ask(provider)
        assert str(caught.value).endswith(ending)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"issuer": 1}', b"[" * 100_000])
    async def test_an_unreadable_document_is_refused_with_a_clear_error(
        self, provider: LyingProvider, monkeypatch: pytest.MonkeyPatch, body: bytes
    ) -> None:
        monkeypatch.setattr(provider, "answer", lambda _path: body)
        with pytest.raises(OpenIdError, match="can't be read"):
            await ask(provider)

    async def test_a_failed_provider_is_not_asked_again_for_every_sign_in(self, provider: LyingProvider) -> None:
        provider.discovery["issuer"] = "https://evil.example"
        providers = OpenIdProviders()
        outcomes = await asyncio.gather(*(ask(provider, providers) for _ in range(5)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {OpenIdError}
        assert len(provider.requested_paths) == 1
        provider.discovery["issuer"] = provider.issuer
        await providers.discovery(provider.issuer, fresh=True)
        assert (await ask(provider, providers)).subject == "ada"

    async def test_an_answer_that_is_too_long_is_refused(
        self, provider: LyingProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider, "answer", lambda _path: b" " * 2_000_000)
        with pytest.raises(OpenIdError, match="more than 1000000 bytes"):
            await ask(provider)

    async def test_the_client_secret_is_sent_in_the_form_if_the_provider_requires_it(
        self, provider: LyingProvider
    ) -> None:
        provider.discovery["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        await ask(provider)
        assert (provider.authorization, "client_secret=s+%25%2B%2F%3A" in provider.form) == (None, True)
