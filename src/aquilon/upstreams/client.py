"""Sends requests to an upstream: pooled connections, vetted addresses, no redirections, bounded answers."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from aquilon import __version__
from aquilon.upstreams.addresses import AddressRefused, require_allowed_literal
from aquilon.upstreams.connections import VettedConnections
from aquilon.upstreams.failures import (
    MOST_ERROR_BYTES,
    UpstreamFailure,
    broken,
    loop_detected,
    of_status,
    stopping,
    too_slow,
    unreachable,
)
from aquilon.upstreams.upstream import LOOP_HEADER, LOOP_NAME, Upstream

MOST_HOPS = 4
"""The most servers of this program that may pass a request on, one to the next: more would be a loop of upstreams."""
_ANTHROPIC_VERSION = "2023-06-01"
MOST_JSON_BYTES = 64 * 2**20
"""Of an answer that isn't streamed: a list of models, embeddings."""


class UpstreamClient:
    """The client of one upstream with one configuration; a changed configuration needs a new client.

    ``await close()`` at the end.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.closed = False
        self.running: set[aiohttp.ClientResponse] = set()
        """Responses that are being read: the caller of `post` removes each when it has ended."""
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[tuple[str, str], URL] = {}
        self._refused = _why_refused(upstream)
        self._headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"aquilon/{__version__}",
            LOOP_HEADER: LOOP_NAME,
            **({"anthropic-version": _ANTHROPIC_VERSION} if upstream.kind == "anthropic" else {}),
            **upstream.headers,
        }
        if upstream.api_key is not None:
            if upstream.kind in ("azure", "azure_ai"):
                self._headers["api-key"] = upstream.api_key
            elif upstream.kind == "anthropic":
                self._headers["x-api-key"] = upstream.api_key
            else:
                self._headers["Authorization"] = f"Bearer {upstream.api_key}"

    async def post(
        self, path: str, body: bytes, *, model: str, remote: str, seconds: float, hops: int = 0
    ) -> aiohttp.ClientResponse:
        """A response with status 200 within ``seconds``, its body not read yet. Raises UpstreamFailure.

        ``path`` is OpenAI's, without a slash before it. ``hops``: servers of this program
        that passed the request on already. The caller closes or releases the response,
        and removes it from ``running``.
        """
        if hops >= MOST_HOPS:
            raise loop_detected()
        headers = self._headers if not hops else self._headers | {LOOP_HEADER: ", ".join([LOOP_NAME] * (hops + 1))}
        try:
            async with asyncio.timeout(seconds):
                response = await self._request("POST", self._url(path, remote), body=body, headers=headers)
                if response.status == 200:
                    self.running.add(response)
                    return response
                failure = await self._failure(response, model=model, remote=remote)
        except TimeoutError:
            raise too_slow("an answer", seconds) from None
        raise failure

    async def read_body(self, response: aiohttp.ClientResponse, seconds: float) -> bytes:
        """The response's body, up to `MOST_JSON_BYTES`; closes the response. Raises UpstreamFailure."""
        try:
            async with asyncio.timeout(seconds):
                return (await _read(response, MOST_JSON_BYTES)).removeprefix(codecs.BOM_UTF8)
        except TimeoutError:
            raise too_slow("the whole answer", seconds) from None
        except (aiohttp.ClientError, OSError) as error:
            if self.closed:
                raise stopping() from None
            raise broken(f"ended in the middle of an answer: {_reason(error)}") from error
        finally:
            self.running.discard(response)
            response.close()

    async def get(self, path: str, seconds: float) -> Any:
        """The JSON value at ``path``. Raises UpstreamFailure."""
        try:
            async with asyncio.timeout(seconds):
                response = await self._request("GET", self._url(path, ""), body=None, headers=self._headers)
                if response.status != 200:
                    raise await self._failure(response, model="", remote="")
        except TimeoutError:
            raise too_slow("an answer", seconds) from None
        try:
            return msgspec.json.decode(await self.read_body(response, seconds))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise broken(f"answered GET {path} with a body that is not JSON") from None

    async def close(self) -> None:
        """End running requests: they fail as ``stopping``."""
        self.closed = True
        for response in list(self.running):
            response.close()  # closing only the session would leave its readers waiting
        if self._session is not None:
            await self._session.close()

    async def _request(
        self, method: str, url: URL, *, body: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        if self._refused:
            raise unreachable(self._refused)
        if self.closed:
            raise stopping()
        session = self._open_session()
        try:
            response = await session.request(method, url, data=body, headers=headers, allow_redirects=False)
        except AddressRefused as error:
            raise unreachable(str(error)) from error
        except aiohttp.ClientConnectorDNSError as error:
            cause = error.os_error
            raise unreachable(str(cause) if isinstance(cause, AddressRefused) else _reason(error)) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise too_slow("a connection", self.upstream.timeouts.connect) from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            if self.closed:
                raise stopping() from None
            raise unreachable(_reason(error)) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise broken(f"sent a response that is not HTTP: {_reason(error)}") from error
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            response.close()
            raise broken(f"sent a body in the encoding '{encoding[:100]}', which the request doesn't accept")
        return response

    async def _failure(self, response: aiohttp.ClientResponse, *, model: str, remote: str) -> UpstreamFailure:
        try:
            body = await _read(response, MOST_ERROR_BYTES, may_cut=True)
        except (aiohttp.ClientError, OSError):
            body = b""
        finally:
            response.close()
        return of_status(response.status, response.headers, body, upstream=self.upstream, model=model, remote=remote)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=VettedConnections(self.upstream),
                timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=self.upstream.timeouts.connect),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                read_bufsize=2**16,
            )
        return self._session

    def _url(self, path: str, remote: str) -> URL:
        url = self._urls.get((path, remote))
        if url is None:
            url = self._urls[path, remote] = URL(endpoint(self.upstream, path, remote), encoded=True)
        return url


def endpoint(upstream: Upstream, path: str, remote: str) -> str:
    """The URL of ``path``, OpenAI's or Anthropic's, at this upstream."""
    base = upstream.base_url
    version = f"?api-version={upstream.api_version}"
    if upstream.kind == "azure":
        azure_path = f"deployments/{quote(remote, safe='')}/{path}" if remote else path
        return f"{base.removesuffix('/openai')}/openai/{azure_path}{version}"
    if upstream.kind == "azure_ai":
        return f"{base.removesuffix('/models')}/{f'models/{path}' if remote else 'info'}{version}"
    if upstream.kind == "anthropic":
        return f"{base.removesuffix('/v1')}/v1/{path}"
    if upstream.kind in ("aquilon", "mistral") and not urlsplit(base).path:
        base += "/v1"
    return f"{base}/{path}"


def _why_refused(upstream: Upstream) -> str:
    """Why a base URL with an address instead of a name is refused; empty if it is allowed."""
    try:
        require_allowed_literal(upstream)
    except AddressRefused as error:
        return str(error)
    return ""


async def _read(response: aiohttp.ClientResponse, most: int, *, may_cut: bool = False) -> bytes:
    """The body; one of more than ``most`` bytes is cut, or raises ClientPayloadError."""
    data = bytearray()
    while chunk := await response.content.readany():
        data += chunk
        if len(data) > most:
            if not may_cut:
                raise aiohttp.ClientPayloadError(f"more than {most} bytes")
            break
    return bytes(data)


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
