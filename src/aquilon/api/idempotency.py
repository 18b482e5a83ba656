"""``Idempotency-Key``: a POST that is sent again is not carried out again, but answered as it was.

An answer is kept for a day, sealed, for the API key or user who asked: whole answers
below 500 that are not 401, 408, 409 or 429, and streams that reached their end. What
is answered otherwise, or not at all because its client left or the server was killed,
frees the key. A kept stream is sent again in one piece.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aquilon.api import idempotency_store as stored
from aquilon.api.authentication import authenticate
from aquilon.api.body import read_bytes
from aquilon.api.errors import error_response
from aquilon.api.idempotency_store import KeyOwner
from aquilon.api.services import services
from aquilon.errors import ApiError
from aquilon.jobs.tables import IdempotencyKey
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage.sealing import Sealer, SealError

KEEP_SECONDS = 86_400
LEASE_SECONDS = 30
"""After a kill the key is free again so soon; while its request runs, the lease is renewed."""
MOST_ANSWER_BYTES = 1024 * 1024
"""Of one answer; a larger one isn't kept, and its key can't be used again."""
MOST_KEPT_BYTES = 256 * 1024 * 1024
"""Of an organization together: above, answers are not kept any more."""
MOST_KEYS = 200_000
"""Of an organization in a day: above, new ones are refused."""
REPLAYED = "idempotency-replayed"

_HEADER = b"idempotency-key"
_MOST_KEY = 255
_COUNTED_EVERY_SECONDS = 10.0
_FREEING = frozenset({401, 408, 409, 413, 429})
_KEPT_HEADERS = frozenset({"content-type", "location"})

log = structlog.get_logger("aquilon.idempotency")


class KeptAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Idempotency:
    """ASGI middleware around the routes; requests without the header pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known: dict[str, tuple[float, int, int]] = {}
        """Of an organization: when it was looked at, its keys, and the bytes of its answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        keys = [value for name, value in scope["headers"] if name == _HEADER]
        if not keys:
            await self._app(scope, receive, send)
            return
        try:
            await self._once(keys, scope, receive, send)
        except ApiError as error:
            await error_response(error)(scope, receive, send)

    async def _once(self, keys: list[bytes], scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        key = _checked(keys)
        principal = await authenticate(request)
        whose = KeyOwner(principal.organization_id, principal.api_key_id or principal.user_id, key)
        body: bytes | None = None
        if not request.headers.get("content-type", "").lower().startswith("multipart/"):
            body = await read_bytes(request)
            receive = _again(body, receive)
        count, kept_bytes = await self._used(request, principal)
        if count >= MOST_KEYS:
            raise _too_many()
        turn = _Turn(request, whose, _fingerprint(request, body), keeps=kept_bytes < MOST_KEPT_BYTES)
        other = await turn.claim()
        if other is not None:
            await turn.replay(other, send)
            return
        renewing = asyncio.create_task(turn.keep_lease())
        try:
            await self._app(scope, receive, _Recorder(turn, send).send)
        finally:
            renewing.cancel()
            await asyncio.shield(turn.end())

    async def _used(self, request: Request, principal: Principal) -> tuple[int, int]:
        known, now = self._known.get(principal.organization_id), time.monotonic()
        if known is None or now - known[0] > _COUNTED_EVERY_SECONDS:
            async with services(request).database.reading() as session:
                known = now, *await stored.used(session, principal.organization_id)
            self._known[principal.organization_id] = known
        return known[1], known[2]


class _Turn:
    """One request's hold of its key."""

    def __init__(self, request: Request, whose: KeyOwner, fingerprint: str, *, keeps: bool) -> None:
        found = services(request)
        self._database = found.database
        self._sealer = Sealer.of(found.settings)
        self._whose = whose
        self._fingerprint = fingerprint
        self._keeps = keeps
        self._holder = new_id("turn")
        self._ended = False

    async def claim(self) -> IdempotencyKey | None:
        """The row of whoever has the key otherwise. Raises ApiError where it can't be used for this."""
        now = int(time.time())
        async with self._database.writing() as session:
            other = await stored.claim(
                session, self._whose, self._holder, self._fingerprint, now=now, lease=LEASE_SECONDS, keep=KEEP_SECONDS
            )
        if other is None:
            return None
        if other.fingerprint != self._fingerprint:
            raise ApiError(
                422,
                "invalid_request_error",
                f"The idempotency key '{self._whose.key[:100]}' was used for another request: take a new one",
                param="Idempotency-Key",
                code="idempotency_key_reused",
                detail=[
                    {"loc": ["header", "Idempotency-Key"], "msg": "Used for another request", "type": "value_error"}
                ],
            )
        if other.holder is not None:
            raise _conflict("is being answered now", "idempotency_in_flight", other.lease_until - now)
        if other.answer is None:
            raise _conflict("was answered, with more than is kept here", "idempotency_not_kept", None)
        return other

    async def replay(self, other: IdempotencyKey, send: Send) -> None:
        try:
            opened = self._sealer.open((other.answer or b"").decode())
            kept = msgspec.msgpack.decode(base64.b64decode(opened), type=KeptAnswer)
        except (SealError, msgspec.MsgspecError, ValueError):
            raise _conflict(
                "was answered, and its answer can't be read any more", "idempotency_not_kept", None
            ) from None
        headers = [*kept.headers, ("content-length", str(len(kept.body))), (REPLAYED, "true")]
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": kept.status, "headers": raw})
        await send({"type": "http.response.body", "body": kept.body})

    async def keep_lease(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(DBAPIError):
                async with self._database.writing() as session:
                    await stored.extend(session, self._whose, self._holder, int(time.time()) + LEASE_SECONDS)

    async def keep(self, answer: KeptAnswer | None) -> None:
        """What the client is about to be told; None for more than can be kept."""
        self._ended = True
        sealed = None
        if answer is not None and self._keeps:
            sealed = self._sealer.seal(base64.b64encode(msgspec.msgpack.encode(answer)).decode()).encode()
        try:
            async with self._database.writing() as session:
                await stored.answer(session, self._whose, self._holder, sealed, int(time.time()) + KEEP_SECONDS)
        except (DBAPIError, SealError) as error:
            log.warning("An answer can't be kept for its idempotency key", error=str(error))

    async def end(self) -> None:
        """Free the key where nothing was kept."""
        if self._ended:
            return
        self._ended = True
        try:
            async with self._database.writing() as session:
                await stored.release(session, self._whose, self._holder)
        except DBAPIError as error:
            log.warning("An idempotency key is free again when its lease ends", error=str(error))


@dataclass
class _Recorder:
    """Passes an answer on and keeps it; its last piece goes out when it is kept."""

    turn: _Turn
    onward: Send
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    too_large: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [
                (name, value)
                for name, value in (
                    (raw.decode("latin-1"), found.decode("latin-1")) for raw, found in message["headers"]
                )
                if name.lower() in _KEPT_HEADERS
            ]
        elif message["type"] == "http.response.body":
            if not self.too_large:
                self.body += message.get("body", b"")
                if len(self.body) > MOST_ANSWER_BYTES:
                    self.too_large = True
                    self.body.clear()
            if not message.get("more_body", False) and self._is_kept():
                kept = None if self.too_large else KeptAnswer(self.status, self.headers, bytes(self.body))
                await asyncio.shield(self.turn.keep(kept))  # it is billed: a client that leaves now finds it kept
        await self.onward(message)

    def _is_kept(self) -> bool:
        broken_stream = b"\nevent: error\n" in self.body or self.body.startswith(b"event: error\n")
        return self.status < 500 and self.status not in _FREEING and not broken_stream


def _checked(keys: list[bytes]) -> str:
    try:
        key = keys[0].decode("ascii")
    except UnicodeDecodeError:
        key = ""
    if len(keys) != 1 or not 0 < len(key) <= _MOST_KEY or not key.isprintable():
        raise ApiError(
            400,
            "invalid_request_error",
            f"One Idempotency-Key, of 1 to {_MOST_KEY} printable ASCII characters",
            param="Idempotency-Key",
            code="invalid_idempotency_key",
        )
    return key


def _fingerprint(request: Request, body: bytes | None) -> str:
    """Of an upload only its length counts: clients put another boundary into each try."""
    digest = hashlib.sha256(f"{request.url.path}?{request.url.query}\n".encode())
    digest.update(request.headers.get("content-length", "").encode() if body is None else body)
    return digest.hexdigest()


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read already, and then whatever comes: that the client has left."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return pending.pop() if pending else await receive()

    return read


def _too_many() -> ApiError:
    return ApiError(
        429,
        "rate_limit_error",
        f"Your organization used {MOST_KEYS} idempotency keys within a day, the most that are kept",
        param="Idempotency-Key",
        code="too_many_idempotency_keys",
        retry_after=3600,
    )


def _conflict(what: str, code: str, retry_after: int | None) -> ApiError:
    return ApiError(
        409,
        "invalid_request_error",
        f"A request with this idempotency key {what}",
        param="Idempotency-Key",
        code=code,
        retry_after=None if retry_after is None else max(1, retry_after),
    )
