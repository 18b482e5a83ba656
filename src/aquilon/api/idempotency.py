"""``Idempotency-Key``: a POST that is repeated with the same key is not carried out again; it gets the first answer.

An answer is stored for a day, encrypted, for the API key or user that sent the request: whole answers
with a status below 500 that is not 401, 408, 409, 413 or 429, and streams that reached their end. Any
other answer frees the key, and so does a client that leaves or a server that is killed before the answer.
A stored stream is sent again in one piece.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field

import msgspec
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aquilon.api import idempotency_store as store
from aquilon.api.authentication import authenticate
from aquilon.api.body import read_bytes
from aquilon.api.errors import error_response
from aquilon.api.idempotency_store import OwnedKey
from aquilon.api.services import services
from aquilon.errors import ApiError, LimitReached
from aquilon.jobs.tables import IdempotencyKey
from aquilon.log import get_logger
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage.sealing import Sealer, SealError

KEEP_SECONDS = 86_400
LEASE_SECONDS = 30
"""After a kill the key is free after this time. While its request runs, the lease is renewed."""
MOST_ANSWER_BYTES = 1024 * 1024
"""A larger answer isn't stored, and its key can't be used again."""
MOST_KEPT_BYTES = 256 * 1024 * 1024
"""The most that is stored for an organization; further answers are not stored."""
MOST_KEYS = 200_000
"""The most that an organization may use in a day; further keys are refused."""
REPLAYED = "idempotency-replayed"

_HEADER = b"idempotency-key"
_MOST_KEY = 255
_COUNTED_EVERY_SECONDS = 10.0
_FREEING = frozenset({401, 408, 409, 413, 429})
_KEPT_HEADERS = frozenset({"content-type", "location"})

log = get_logger("aquilon.idempotency")


class KeptAnswer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Idempotency:
    """ASGI middleware around the routes; requests without the header pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._counts: dict[str, tuple[float, int, int]] = {}
        """By organization: the time of the count, the number of its keys, and the bytes of its answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        keys = [value for name, value in scope["headers"] if name == _HEADER]
        if not keys:
            await self._app(scope, receive, send)
            return
        try:
            await self._once(keys, scope, receive=receive, send=send)
        except ApiError as error:
            await error_response(error)(scope, receive, send)

    async def _once(self, keys: list[bytes], scope: Scope, *, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        key = _checked(keys)
        principal = await authenticate(request)
        owned_key = OwnedKey(principal.organization_id, principal.api_key_id or principal.user_id, key)
        body: bytes | None = None
        if not request.headers.get("content-type", "").lower().startswith("multipart/"):
            body = await read_bytes(request)
            receive = _again(body, receive)
        num_keys, kept_bytes = await self._used(request, principal)
        if num_keys >= MOST_KEYS:
            raise _too_many()
        turn = _Turn(request, owned_key, _fingerprint(request, body), keeps=kept_bytes < MOST_KEPT_BYTES)
        other = await turn.claim()
        if other is not None:
            await turn.replay(other, send)
            return
        renewing = asyncio.create_task(turn.keep_lease())
        try:
            await self._app(scope, receive, _Recorder(turn, onward=send).send)
        finally:
            renewing.cancel()
            await asyncio.shield(turn.end())

    async def _used(self, request: Request, principal: Principal) -> tuple[int, int]:
        """How many keys the organization uses, and how many bytes of answers it has. Counted every few seconds."""
        count, now = self._counts.get(principal.organization_id), time.monotonic()
        if count is None or now - count[0] > _COUNTED_EVERY_SECONDS:
            async with services(request).database.reading() as session:
                count = now, *await store.used(session, principal.organization_id)
            self._counts[principal.organization_id] = count
        return count[1], count[2]


class _Turn:
    """One request that holds, or wants to hold, an idempotency key."""

    def __init__(self, request: Request, owned_key: OwnedKey, fingerprint: str, *, keeps: bool) -> None:
        state = services(request)
        self._database = state.database
        self._sealer = Sealer.of(state.settings)
        self._owned_key = owned_key
        self._fingerprint = fingerprint
        self._keeps = keeps
        self._holder = new_id("turn")
        self._ended = False

    async def claim(self) -> IdempotencyKey | None:
        """None if the key is now held, or the row of an answered request. Raises ApiError if the key can't be used."""
        now = int(time.time())
        async with self._database.writing() as session:
            other = await store.claim(
                session,
                self._owned_key,
                self._holder,
                fingerprint=self._fingerprint,
                now=now,
                lease=LEASE_SECONDS,
                keep=KEEP_SECONDS,
            )
        if other is None:
            return None
        if other.fingerprint != self._fingerprint:
            raise ApiError(
                422,
                "invalid_request_error",
                f"The idempotency key '{self._owned_key.key[:100]}' was used for another request: use a new key",
                param="Idempotency-Key",
                code="idempotency_key_reused",
                detail=[
                    {"loc": ["header", "Idempotency-Key"], "msg": "Used for another request", "type": "value_error"}
                ],
            )
        if other.holder is not None:
            raise _conflict("is being answered now", "idempotency_in_flight", other.lease_until - now)
        if other.answer is None:
            raise _conflict("was answered, but its answer was too large to store", "idempotency_not_kept", None)
        return other

    async def replay(self, other: IdempotencyKey, send: Send) -> None:
        try:
            opened = self._sealer.open((other.answer or b"").decode())
            kept = msgspec.msgpack.decode(base64.b64decode(opened), type=KeptAnswer)
        except (SealError, msgspec.MsgspecError, ValueError):
            raise _conflict(
                "was answered, but its stored answer can't be read any more", "idempotency_not_kept", None
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
                    until = int(time.time()) + LEASE_SECONDS
                    await store.extend(session, self._owned_key, self._holder, until=until)

    async def keep(self, answer: KeptAnswer | None) -> None:
        """Store the answer that is about to be sent; None for one that is too large."""
        self._ended = True
        sealed = None
        if answer is not None and self._keeps:
            sealed = self._sealer.seal(base64.b64encode(msgspec.msgpack.encode(answer)).decode()).encode()
        try:
            async with self._database.writing() as session:
                expires_at = int(time.time()) + KEEP_SECONDS
                await store.answer(session, self._owned_key, self._holder, sealed=sealed, expires_at=expires_at)
        except (DBAPIError, SealError) as error:
            log.warning("An answer can't be kept for its idempotency key", error=str(error))

    async def end(self) -> None:
        """Free the key if no answer was stored."""
        if self._ended:
            return
        self._ended = True
        try:
            async with self._database.writing() as session:
                await store.release(session, self._owned_key, self._holder)
        except DBAPIError as error:
            log.warning("An idempotency key is free again when its lease ends", error=str(error))


@dataclass
class _Recorder:
    """Sends an answer on and records it; its last piece is sent when the answer is stored."""

    turn: _Turn
    _: KW_ONLY
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
                    (raw_name.decode("latin-1"), raw_value.decode("latin-1"))
                    for raw_name, raw_value in message["headers"]
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
                # The request is billed: a client that leaves now can get its answer later.
                await asyncio.shield(self.turn.keep(kept))
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
            f"Send one Idempotency-Key, of 1 to {_MOST_KEY} printable ASCII characters",
            param="Idempotency-Key",
            code="invalid_idempotency_key",
        )
    return key


def _fingerprint(request: Request, body: bytes | None) -> str:
    """A hash of the request. For an upload, its length stands for its body: clients send another boundary each time."""
    digest = hashlib.sha256(f"{request.url.path}?{request.url.query}\n".encode())
    digest.update(request.headers.get("content-length", "").encode() if body is None else body)
    return digest.hexdigest()


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body, which was read already, and then the messages that follow, such as the client's disconnect."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return pending.pop() if pending else await receive()

    return read


def _too_many() -> ApiError:
    return ApiError(
        429,
        "rate_limit_error",
        f"Your organization used {MOST_KEYS} idempotency keys within a day, the most that are allowed",
        param="Idempotency-Key",
        code="too_many_idempotency_keys",
        retry_after=3600,
        limit=LimitReached("idempotency_keys", MOST_KEYS, remaining=0, needed=1, scope="organization"),
    )


def _conflict(status: str, code: str, retry_after: int | None) -> ApiError:
    return ApiError(
        409,
        "invalid_request_error",
        f"A request with this idempotency key {status}",
        param="Idempotency-Key",
        code=code,
        retry_after=None if retry_after is None else max(1, retry_after),
    )
