"""``/v1/files``: uploads and results, for OpenAI's and Mistral's clients alike."""

from __future__ import annotations

import time
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller, authenticate
from aquilon.api.downloads import RANGE, Download, download_answers
from aquilon.api.jobs.files_bodies import DeletedFile, FileBody, FileList, FileUrl, file_body
from aquilon.api.jobs.files_upload import receive_file
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.jobs.files import PURPOSES
from aquilon.jobs.store.files import FileFilter
from aquilon.jobs.tables import StoredFile
from aquilon.people.administration.access import no_such
from aquilon.storage.sealing import Sealer, SealError

routes = Routes("/v1/files", tag="files")

MOST = 10_000
_DEFAULT = 1000
_DEFAULT_PAGE = 100
_MOST_HOURS = 7 * 24
_SOURCES = {"upload": "upload", "mistral": "result", "repository": "repository"}


_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": list(PURPOSES), "default": "batch"},
        "visibility": {"type": "string", "enum": ["workspace", "user"], "default": "workspace"},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600},
        "expiry": {"type": "integer", "minimum": 1, "description": "Hours (Mistral)."},
    },
}


class _Link(msgspec.Struct, frozen=True):
    """What a link to a file's content carries, sealed."""

    organization_id: str
    file_id: str
    user_id: str
    until: int


@routes.post(
    "",
    "Upload a file",
    answer=FileBody,
    says="The file",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload(request: Request, caller: Caller) -> Response:
    return json_answer(file_body(await receive_file(request, services(request).files, caller)))


@routes.get("", "Files", answer=FileList, says="The newest first")
async def list_files(
    request: Request,
    caller: Caller,
    after: str | None = None,
    limit: int | None = None,
    order: Literal["asc", "desc"] = "desc",
    purpose: str | None = None,
    page: int | None = None,
    page_size: int | None = None,
    include_total: bool = True,
    search: str | None = None,
    source: str | None = None,
) -> Response:
    """OpenAI's clients page by ``after`` and ``limit``, Mistral's by ``page`` (from 0) and ``page_size``."""
    paged = page is not None or page_size is not None
    asked = page_size if paged else limit
    size = (_DEFAULT_PAGE if paged else _DEFAULT) if asked is None else asked
    if not 0 <= size <= MOST:
        raise invalid(f"{'page_size' if paged else 'limit'} is 0 to {MOST}", param="page_size" if paged else "limit")
    if not 0 <= (page or 0) <= 10**6:
        raise invalid("page is 0 or more", param="page")
    wanted = FileFilter(purpose, search, None if source is None else _SOURCES.get(source, source))
    files = services(request).files
    found = await files.page(
        caller, wanted, after=after, offset=(page or 0) * size, limit=size + 1, oldest_first=order == "asc"
    )
    total = await files.count(caller, wanted) if paged and include_total else None
    shown = [file_body(row) for row in found[:size]]
    return json_answer(
        FileList(
            data=shown,
            first_id=shown[0].id if shown else None,
            last_id=shown[-1].id if shown else None,
            has_more=len(found) > size,
            total=total,
        )
    )


@routes.get("/{file_id}", "One file", answer=FileBody, says="It")
async def get_file(request: Request, caller: Caller, file_id: str) -> Response:
    return json_answer(file_body(await services(request).files.get(caller, file_id)))


@routes.delete("/{file_id}", "Delete a file", answer=DeletedFile, says="Done")
async def delete_file(request: Request, caller: Caller, file_id: str) -> Response:
    await services(request).files.delete(caller, file_id)
    return json_answer(DeletedFile(id=file_id))


@routes.get(
    "/{file_id}/content", "A file's content", openapi_extra=RANGE, responses=download_answers("As it was uploaded")
)
async def content(request: Request, file_id: str, signature: str | None = None) -> Response:
    """With an API key or a session, or with the ``signature`` of a link that ``/url`` gave."""
    files = services(request).files
    if signature is None:
        row = await files.get(await authenticate(request), file_id)
    else:
        row = await _linked(request, file_id, signature)
    return Download(
        files.content(row),
        media_type="application/octet-stream",
        filename=row.name,
        content_disposition_type="attachment",
    )


@routes.get("/{file_id}/url", "A link to a file's content", answer=FileUrl, says="The link")
async def url(request: Request, caller: Caller, file_id: str, expiry: int = 24) -> Response:
    """Whoever has the link can read the file, for ``expiry`` hours."""
    if not 1 <= expiry <= _MOST_HOURS:
        raise invalid(f"expiry is 1 to {_MOST_HOURS} hours", param="expiry")
    row = await services(request).files.get(caller, file_id)
    link = _Link(row.organization_id, row.id, caller.user_id, int(time.time()) + expiry * 3600)
    sealed = Sealer.of(services(request).settings).seal(msgspec.json.encode(link).decode())
    return json_answer(FileUrl(f"{str(request.base_url).rstrip('/')}/v1/files/{row.id}/content?signature={sealed}"))


async def _linked(request: Request, file_id: str, signature: str) -> StoredFile:
    try:
        opened = Sealer.of(services(request).settings).open(signature)
        link = msgspec.json.decode(opened, type=_Link)
    except (SealError, msgspec.MsgspecError):
        raise no_such("file", file_id) from None
    if link.file_id != file_id or link.until < time.time():
        raise no_such("file", file_id)
    return await services(request).files.shared(link.organization_id, file_id)
