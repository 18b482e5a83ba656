"""A client of a Hugging Face hub: a repository's files at one commit, and a file's bytes from any offset.

The endpoints and headers are those of huggingface.co, which mirrors copy:
``/api/models/REPO/revision/REV?blobs=true`` and ``/REPO/resolve/COMMIT/FILE``
(https://huggingface.co/docs/hub/api). ``HF_ENDPOINT`` names another hub,
``HF_TOKEN`` an access token, which is sent to the hub only, never to the content
servers that it redirects to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from aquilon import __version__
from aquilon.checkpoints.arrival import PullError

DEFAULT_ENDPOINT = "https://huggingface.co"
MAX_ANSWER_BYTES = 32 * 2**20
"""Limit for a repository's description; the largest repositories list some 10,000 files in 4 MB."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIMEOUT = httpx.Timeout(60, connect=15)


class LargeFile(msgspec.Struct, frozen=True):
    sha256: str
    size: int


class HubFile(msgspec.Struct, frozen=True):
    rfilename: str
    size: int | None = None
    blobId: str | None = None
    """SHA-1 of git's blob; for a large file, of its pointer's blob."""
    lfs: LargeFile | None = None


class GgufFacts(msgspec.Struct, frozen=True):
    """What the hub says about the repository's GGUF files."""

    architecture: str | None = None


class Repository(msgspec.Struct, frozen=True):
    """A model repository at one commit."""

    sha: str
    siblings: list[HubFile] = []
    gated: bool | str = False
    """``auto`` or ``manual`` where its licence has to be accepted on the hub first."""
    cardData: dict[str, Any] | None = None
    gguf: GgufFacts | None = None


class Interrupted(Exception):
    """The connection broke; the bytes received before are valid."""


class Hub:
    """One hub, with one access token. Use as a context manager."""

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        """``token``: None takes HF_TOKEN; an empty string sends no token. Raises PullError for an invalid address."""
        self.endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        self.token = (os.environ.get("HF_TOKEN") if token is None else token) or None
        if urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise PullError(f"HF_ENDPOINT is '{self.endpoint}': it must begin with https:// or http://")
        headers = {"user-agent": f"aquilon/{__version__}"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True)

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def page(self, repository: str) -> str:
        """The page where a person reads about a repository and accepts its licence."""
        return f"{self.endpoint}/{repository}"

    def repository(self, name: str, revision: str) -> Repository:
        """Raises PullError: the repository is unknown, this token may not read it, or the hub can't be reached."""
        body = bytearray()
        try:
            with self._client.stream("GET", self.description_url(name, revision)) as response:
                self.refuse(response, name, revision=revision, file=None)
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise PullError(f"{self.endpoint} describes {name} in more than {MAX_ANSWER_BYTES:,} bytes")
        except httpx.HTTPError as error:
            raise PullError(f"{self.endpoint} can't be reached: {_words(error)}") from None
        try:
            repository = self.described(bytes(body))
        except msgspec.DecodeError as error:
            raise PullError(f"{self.endpoint} does not answer like a model hub: {error}") from None
        if not _COMMIT.fullmatch(repository.sha):
            raise PullError(
                f"{self.endpoint} does not answer like a model hub: '{repository.sha[:80]}' is not a commit"
            )
        return repository

    @contextmanager
    def content(self, name: str, *, commit: str, file: str, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The offset where the bytes begin, and a file's bytes. The offset is 0 where a server doesn't support ranges.

        The iterator raises Interrupted where the connection breaks. Raises
        PullError where the hub refuses the file.
        """
        headers = {"accept-encoding": "identity"}
        if offset:
            headers["range"] = f"bytes={offset}-"
        try:
            with self._client.stream("GET", self.content_url(name, commit, file), headers=headers) as response:
                if response.status_code >= 500 or response.status_code == 429:
                    raise Interrupted(f"{response.url.host} answered {response.status_code}")
                if response.status_code == 416:
                    yield 0, iter(())
                    return
                self.refuse(response, name, revision=commit, file=file)
                yield _begin(response, offset), _chunks(response)
        except httpx.HTTPError as error:
            raise Interrupted(_words(error)) from None

    def description_url(self, name: str, revision: str) -> str:
        return f"{self.endpoint}/api/models/{quote(name)}/revision/{quote(revision, safe='')}?blobs=true"

    def content_url(self, name: str, commit: str, file: str) -> str:
        return f"{self.endpoint}/{quote(name)}/resolve/{commit}/{quote(file)}"

    def described(self, body: bytes) -> Repository:
        """The repository in the answer of ``description_url``. Raises msgspec.DecodeError."""
        return msgspec.json.decode(body, type=Repository)

    def refuse(self, response: httpx.Response, name: str, *, revision: str, file: str | None) -> None:
        """Raises PullError, with the reason and what would help, unless the answer is a success."""
        status, code = response.status_code, response.headers.get("x-error-code", "")
        if response.is_success:
            return
        page = self.page(name)
        if code == "GatedRepo" or status == 403:
            if self.token is None:
                raise PullError(gated_without_token(name, page))
            raise PullError(
                f"The account of HF_TOKEN may not read {name}: accept its licence at {page}, wait until it is granted "
                "where its owners do that by hand, and give the token the right to read gated repositories"
            )
        if status == 401 and self.token is not None and code not in ("RepoNotFound", "RevisionNotFound"):
            raise PullError(f"{self.endpoint} refuses the HF_TOKEN: make a new one at {self.endpoint}/settings/tokens")
        if code == "RevisionNotFound":
            raise PullError(f"{name} has no revision '{revision}': see {page}")
        if code == "EntryNotFound" or (status == 404 and file is not None):
            raise PullError(f"{name} has no file '{file}' at {revision}: see {page}")
        if status in (401, 404):
            hint = "check the spelling" if self.token else "check the spelling; if it is private or gated, set HF_TOKEN"
            raise PullError(f"{self.endpoint} knows no repository {name}, or no revision '{revision}' of it: {hint}")
        if status == 429:
            raise PullError(f"{self.endpoint} got too many requests: try again in a few minutes, or set HF_TOKEN")
        raise PullError(f"{self.endpoint} answered {status} for {name}: try again later")


def gated_without_token(name: str, page: str) -> str:
    return (
        f"{name} is gated: accept its licence at {page}, make an access token there (Settings, Access Tokens), "
        "and pull again with HF_TOKEN=hf_…"
    )


def _begin(response: httpx.Response, offset: int) -> int:
    if response.status_code != 206:
        return 0
    span = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    if span is None or int(span[1]) != offset:
        raise Interrupted("the server sent another part of the file than was requested")
    return offset


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()  # fixed-size chunks would lose the last bytes before a break
    except httpx.HTTPError as error:
        raise Interrupted(_words(error)) from None


def _words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
