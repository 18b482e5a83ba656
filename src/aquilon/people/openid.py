"""OpenID Connect Core 1.0, as a relying party: only the code flow, with PKCE (RFC 7636), state and nonce.

An ID token is accepted if it is signed with one of the provider's published keys by an
asymmetric algorithm, comes from this issuer, is for this client and this sign-in, and was
issued just now.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import hashlib
import hmac
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from aquilon.people.origin import is_loopback_name

if TYPE_CHECKING:  # httpx, joserfc and cryptography take 14 MB: they are loaded only where people sign in by a provider
    import httpx
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    PublicKey = RSAKey | ECKey | OKPKey

TIMEOUT_SECONDS = 10.0
LEEWAY_SECONDS = 60
"""How far apart two clocks may be."""
_MAX_BYTES = 1_000_000
_KEPT_SECONDS = 3600.0
_FAILED_SECONDS = 5.0
"""A provider that failed isn't asked again for so long, however many people want to sign in."""
_KEYS_AGAIN_SECONDS = 30.0
"""A token with an unknown key makes us read the provider's keys again, at most this often."""
_OLDEST_SECONDS = 600
"""An ID token that was issued longer ago is not for this sign-in."""

_ERROR_CODE = re.compile(r"[a-z_]{1,64}")
_KEY_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")

S = TypeVar("S", bound=msgspec.Struct)


class OpenIdError(Exception):
    """The provider can't be reached or its answer can't be trusted; the message is for the operator."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """This server, as it is registered with a provider."""

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a provider says about a person. ``email`` is set only if the provider says that it was verified."""

    subject: str
    email: str | None = None
    name: str | None = None
    preferred_username: str | None = None


class Discovery(msgspec.Struct, frozen=True):
    """The fields that we use of OpenID Connect Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str | None = None


class _UserInfo(msgspec.Struct, frozen=True):
    sub: str
    email: str | None = None
    email_verified: bool | str | None = None
    name: str | None = None
    preferred_username: str | None = None


class _IdToken(_UserInfo, frozen=True, kw_only=True):
    iss: str
    aud: str | list[str]
    exp: float
    iat: float
    nbf: float | None = None
    azp: str | None = None
    nonce: str | None = None


class _KeyFile(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


@dataclass
class _Provider:
    discovery: Discovery
    keys: list[PublicKey]
    read_at: float


class OpenIdProviders:
    """Reads providers' answers. Discovery documents and keys are cached for an hour; redirects are not followed."""

    def __init__(self) -> None:
        self._cached: dict[str, _Provider] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._http: httpx.AsyncClient | None = None

    async def discovery(self, issuer: str, *, fresh: bool = False) -> Discovery:
        """The provider's discovery document, read again with ``fresh``. Raises OpenIdError."""
        return (await self._provider(issuer, fresh=fresh)).discovery

    async def authorization_url(
        self, client: Client, redirect_uri: str, *, state: str, nonce: str, verifier: str
    ) -> str:
        """Where the person's browser goes to sign in. Raises OpenIdError."""
        discovery = await self.discovery(client.issuer)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(client.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(discovery.authorization_endpoint).query else "?"
        return f"{discovery.authorization_endpoint}{joint}{urlencode(query)}"

    async def require_issuer(self, client: Client, issuer: str | None) -> None:
        """RFC 9207: check that the answer in the browser comes from this provider. Raises OpenIdError."""
        discovery = await self.discovery(client.issuer)
        if issuer is None and not discovery.authorization_response_iss_parameter_supported:
            return
        if issuer != client.issuer:
            raise OpenIdError(f"The answer is from the issuer '{issuer}', not from {client.issuer}")

    async def claims(self, client: Client, redirect_uri: str, *, code: str, nonce: str, verifier: str) -> Claims:
        """Trade the code for an ID token and check it. Raises OpenIdError."""
        discovery = await self.discovery(client.issuer)
        tokens = await self._exchange(client, discovery, redirect_uri, code=code, verifier=verifier)
        token = await self._verified(client, tokens.id_token, nonce)
        info: _UserInfo = token
        if token.email is None and discovery.userinfo_endpoint is not None and tokens.access_token is not None:
            headers = {"authorization": f"Bearer {tokens.access_token}"}
            info = _decoded(
                await self._ask("GET", discovery.userinfo_endpoint, headers=headers), _UserInfo, "user info"
            )
            if info.sub != token.sub:
                raise OpenIdError("The user info is about another subject than the ID token")
        verified = info.email_verified is True or info.email_verified == "true"
        return Claims(
            subject=token.sub,
            email=info.email if verified else None,
            name=info.name or token.name,
            preferred_username=info.preferred_username or token.preferred_username,
        )

    async def _exchange(
        self, client: Client, discovery: Discovery, redirect_uri: str, *, code: str, verifier: str
    ) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"accept": "application/json"}
        if client.client_secret is None:
            form["client_id"] = client.client_id
        elif "client_secret_basic" in discovery.token_endpoint_auth_methods_supported:
            pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"  # RFC 6749, 2.3.1
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        return _decoded(
            await self._ask("POST", discovery.token_endpoint, headers=headers, form=form), _Tokens, "token answer"
        )

    async def _verified(self, client: Client, token: str, nonce: str) -> _IdToken:
        """OpenID Connect Core 1.0, section 3.1.3.7. Raises OpenIdError."""
        claims = _decoded(await self._signed_payload(client.issuer, token), _IdToken, "ID token")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        now = time.time()
        if claims.iss != client.issuer:
            raise OpenIdError(f"The ID token is from the issuer '{claims.iss}', not from {client.issuer}")
        if client.client_id not in audiences:
            raise OpenIdError(f"The ID token is for {', '.join(audiences) or 'nobody'}, not for {client.client_id}")
        if (len(audiences) > 1 or claims.azp is not None) and claims.azp != client.client_id:
            raise OpenIdError(f"The ID token was given to '{claims.azp}', not to {client.client_id}")
        if claims.exp <= now - LEEWAY_SECONDS:
            raise OpenIdError("The ID token has expired: is a clock wrong?")
        if claims.iat <= now - _OLDEST_SECONDS or max(claims.iat, claims.nbf or 0) > now + LEEWAY_SECONDS:
            raise OpenIdError("The ID token was not issued just now: is a clock wrong?")
        if not hmac.compare_digest((claims.nonce or "").encode(), nonce.encode()):
            raise OpenIdError("The ID token is for another sign-in: its nonce is wrong")
        if not 0 < len(claims.sub) <= 255:
            raise OpenIdError(f"The ID token's subject has {len(claims.sub)} characters: it must have 1 to 255")
        return claims

    async def _signed_payload(self, issuer: str, token: str) -> bytes:
        from joserfc import jws
        from joserfc.errors import JoseError

        provider = await self._provider(issuer)
        allowed = [name for name in ALGORITHMS if name in provider.discovery.id_token_signing_alg_values_supported]
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError) as error:
            raise OpenIdError(f"The ID token is not a signed token: {error}") from error
        algorithm, key_id = str(header.get("alg")), header.get("kid")
        if algorithm not in allowed:
            raise OpenIdError(f"The ID token is signed by '{algorithm}': it must be one of {', '.join(allowed)}")
        keys = _matching_keys(provider.keys, algorithm, key_id)
        if not keys and time.monotonic() - provider.read_at > _KEYS_AGAIN_SECONDS:
            provider = await self._provider(issuer, fresh=True)  # its keys were rotated
            keys = _matching_keys(provider.keys, algorithm, key_id)
        for key in keys:
            try:
                return bytes(jws.deserialize_compact(token, key, algorithms=[algorithm]).payload)
            except (JoseError, ValueError):
                continue
        raise OpenIdError("The ID token isn't signed with any of the provider's keys")

    async def _provider(self, issuer: str, *, fresh: bool = False) -> _Provider:
        async with self._locks.setdefault(issuer, asyncio.Lock()):
            provider = self._cached.get(issuer)
            if provider is not None and not fresh and time.monotonic() - provider.read_at <= _KEPT_SECONDS:
                return provider
            reason, at = self._failed.get(issuer, ("", -math.inf))
            if not fresh and time.monotonic() - at < _FAILED_SECONDS:
                raise OpenIdError(reason)
            try:
                provider = self._cached[issuer] = await self._read(issuer)
            except OpenIdError as error:
                self._failed[issuer] = str(error), time.monotonic()
                raise
            return provider

    async def _read(self, issuer: str) -> _Provider:
        address = issuer.rstrip("/") + "/.well-known/openid-configuration"
        discovery = _decoded(await self._ask("GET", address), Discovery, "discovery document")
        if discovery.issuer != issuer:
            raise OpenIdError(f"The provider at {address} says that its issuer is '{discovery.issuer[:200]}'")
        _require_private_endpoints(discovery)
        keys = _decoded(await self._ask("GET", discovery.jwks_uri), _KeyFile, "key file")
        return _Provider(discovery, _public_keys(keys.keys), time.monotonic())

    async def _ask(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, form: dict[str, str] | None = None
    ) -> bytes:
        """The body of an answer with status 200. Raises OpenIdError."""
        import httpx

        require_private(url, "provider's address")
        if self._http is None:  # created late: it reads all authorities' certificates; it keeps no connection
            limits = httpx.Limits(max_keepalive_connections=0)
            self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, limits=limits)
        body = b""
        try:
            async with self._http.stream(method, url, headers=headers, data=form) as answer:
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_BYTES:
                        raise OpenIdError(f"{url} answers with more than {_MAX_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OpenIdError(f"{url} can't be reached: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            raise OpenIdError(f"{url} answers with status {answer.status_code}{_error_code(body)}")
        return body


def require_private(url: str, role: str) -> None:
    """Raises OpenIdError unless the address is https, or http on this machine. ``role`` names it in the message."""
    try:
        parts = urlsplit(url)
        loopback = parts.scheme == "http" and is_loopback_name(parts.hostname or "")
        private = bool(parts.hostname) and (parts.scheme == "https" or loopback) and parts.port != 0
    except ValueError:  # an unmatched bracket, a port that is not a number
        private = False
    if not private or parts.username is not None or parts.fragment or not url.isprintable() or " " in url:
        raise OpenIdError(f"The {role} '{url[:200]}' is not an https address")


def _require_private_endpoints(discovery: Discovery) -> None:
    """Raises OpenIdError if a provider elsewhere names an endpoint on this machine."""
    if urlsplit(discovery.issuer).scheme != "https":
        return
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        address = getattr(discovery, name)
        if address is not None and not address.lower().startswith("https:"):
            raise OpenIdError(
                f"The provider's {name} '{address[:200]}' is not an https address, although its issuer is one"
            )


class _Refusal(msgspec.Struct, frozen=True):
    error: str


def _error_code(body: bytes) -> str:
    """The error code of RFC 6749, section 5.2. Nothing else of the answer is shown: it may come from any server."""
    try:
        code = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return f": {code}" if _ERROR_CODE.fullmatch(code) else ""


def _decoded(body: bytes, kind: type[S], name: str) -> S:
    try:
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OpenIdError(f"The provider's {name} can't be read: {error}") from error


def _matching_keys(keys: list[PublicKey], algorithm: str, key_id: object) -> list[PublicKey]:
    kind = _KEY_KINDS[algorithm[:2]]
    return [key for key in keys if key.key_type == kind and key_id in (None, key.kid)]


def _public_keys(descriptions: list[dict[str, Any]]) -> list[PublicKey]:
    """The keys that may sign; keys for encryption and of unknown kinds are left out."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

    keys: list[PublicKey] = []
    for description in descriptions:
        if description.get("use", "sig") != "sig":
            continue
        try:
            for key in KeySet.import_key_set({"keys": [description]}).keys:
                if isinstance(key, RSAKey | ECKey | OKPKey):
                    keys.append(key)
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    return keys
