"""``/v1/files``: uploaded files and results, for OpenAI's and Mistral's clients."""

from __future__ import annotations

import time
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller, authenticate
from aquilon.api.downloads import RANGE, Download, download_answers
from aquilon.api.jobs.files_upload import receive_file
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, PageOf
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.jobs.files import PURPOSES
from aquilon.jobs.store.files import FileFilter
from aquilon.jobs.tables import StoredFile
from aquilon.people.administration.access import no_such
from aquilon.people.identity import Principal
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
        "expiry": {"type": "integer", "minimum": 1, "description": "How many hours to keep the file (Mistral)."},
    },
}


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the sealed signature in a link to a file."""

    organization_id: str
    file_id: str
    user_id: str
    until: int


RESULT_PURPOSE = "batch_output"


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's clients read ``status``; Mistral's read the fields from ``sample_type`` to ``visibility``."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: str = "processed"
    status_details: str | None = None
    sample_type: str
    source: str
    num_lines: int | None
    mimetype: str
    signature: str
    visibility: str
    deleted: bool = False


class FileList(PageOf[FileBody], frozen=True, kw_only=True):
    total: int | None


class DeletedFile(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "file"
    deleted: bool = True
    fine_tuned_models: list[str]
    """The models that learnt from the file: they stay until they are deleted themselves."""


class LearntFrom(ListOf[str], frozen=True, kw_only=True):
    file_id: str


class FileUrl(msgspec.Struct, frozen=True):
    url: str


def file_body(file: StoredFile) -> FileBody:
    sample = "batch_request" if file.purpose == "batch" else "instruct"
    if file.source == "result":
        sample = "batch_error" if file.name.endswith("_error.jsonl") else "batch_result"
    return FileBody(
        id=file.id,
        bytes=file.bytes,
        created_at=file.created_at,
        expires_at=file.expires_at,
        filename=file.name,
        purpose=file.purpose,
        sample_type=sample,
        source="upload" if file.source == "upload" else "mistral",  # Mistral's word for a file that the server wrote
        num_lines=file.lines,
        mimetype=file.mimetype,
        signature=file.sha256,
        visibility=file.visibility,
    )


@routes.post(
    "",
    "Upload a file",
    answer=FileBody,
    says="The new file.",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload(request: Request, caller: Caller) -> Response:
    return json_answer(file_body(await receive_file(request, services(request).files, caller)))


@routes.get("", "List the files", answer=FileList, says="The files, newest first.")
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
    size = page_size if paged else limit
    if size is None:
        size = _DEFAULT_PAGE if paged else _DEFAULT
    if not 0 <= size <= MOST:
        name = "page_size" if paged else "limit"
        raise invalid(
            f"{name} is {size}; it must be 0 to {MOST}",
            param=name,
            code="out_of_range",
            values={"field": name, "value": size, "least": 0, "most": MOST},
        )
    if not 0 <= (page or 0) <= 10**6:
        raise invalid(
            f"page is {page}; it must be 0 to {10**6}",
            param="page",
            code="out_of_range",
            values={"value": page or 0, "least": 0, "most": 10**6},
        )
    filters = FileFilter(purpose, search, None if source is None else _SOURCES.get(source, source))
    files = services(request).files
    rows = await files.page(
        caller, filters, after=after, offset=(page or 0) * size, limit=size + 1, oldest_first=order == "asc"
    )
    total = await files.count(caller, filters) if paged and include_total else None
    bodies = [file_body(row) for row in rows[:size]]
    return json_answer(
        FileList(
            data=bodies,
            first_id=bodies[0].id if bodies else None,
            last_id=bodies[-1].id if bodies else None,
            has_more=len(rows) > size,
            total=total,
        )
    )


@routes.get("/{file_id}", "Get a file", answer=FileBody, says="The file.")
async def get_file(request: Request, caller: Caller, file_id: str) -> Response:
    return json_answer(file_body(await services(request).files.get(caller, file_id)))


@routes.delete(
    "/{file_id}", "Delete a file", answer=DeletedFile, says="The deleted file, and the models that learnt from it."
)
async def delete_file(request: Request, caller: Caller, file_id: str) -> Response:
    learnt = await services(request).files.delete(caller, file_id)
    return json_answer(DeletedFile(id=file_id, fine_tuned_models=learnt))


@routes.get(
    "/{file_id}/fine_tuned_models",
    "List the models that learnt from a file",
    answer=LearntFrom,
    says="The names of the organization's models that a fine-tuning job trained or validated with the file.",
)
async def list_fine_tuned_models(request: Request, caller: Caller, file_id: str) -> Response:
    names = await services(request).files.learnt_from(caller, file_id)
    return json_answer(LearntFrom(file_id=file_id, data=names))


@routes.get(
    "/{file_id}/content",
    "Download a file's content",
    openapi_extra=RANGE,
    responses=download_answers("The file's bytes."),
)
async def content(request: Request, file_id: str, signature: str | None = None) -> Response:
    """The caller needs an API key, a session, or the ``signature`` of a link from ``/url``."""
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


@routes.get("/{file_id}/url", "Create a link to a file's content", answer=FileUrl, says="The link.")
async def url(request: Request, caller: Caller, file_id: str, expiry: int = 24) -> Response:
    """Everybody with the link can read the file, for ``expiry`` hours."""
    if not 1 <= expiry <= _MOST_HOURS:
        raise invalid(
            f"expiry is {expiry}; it must be 1 to {_MOST_HOURS} hours",
            param="expiry",
            code="out_of_range",
            values={"value": expiry, "least": 1, "most": _MOST_HOURS},
        )
    row = await services(request).files.get(caller, file_id)
    return json_answer(FileUrl(link_to(request, row, caller, hours=expiry)))


def link_to(request: Request, file: StoredFile, caller: Principal, *, hours: int) -> str:
    """An address with which everybody can read the file, for a time."""
    link = _Link(
        organization_id=file.organization_id,
        file_id=file.id,
        user_id=caller.user_id,
        until=int(time.time()) + hours * 3600,
    )
    sealed = Sealer.of(services(request).settings).seal(msgspec.json.encode(link).decode())
    return f"{str(request.base_url).rstrip('/')}/v1/files/{file.id}/content?signature={sealed}"


async def _linked(request: Request, file_id: str, signature: str) -> StoredFile:
    try:
        unsealed = Sealer.of(services(request).settings).open(signature)
        link = msgspec.json.decode(unsealed, type=_Link)
    except (SealError, msgspec.MsgspecError):
        raise no_such("file", file_id) from None
    if link.file_id != file_id or link.until < time.time():
        raise no_such("file", file_id)
    return await services(request).files.shared(link.organization_id, file_id)
