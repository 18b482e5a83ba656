"""The documents of a library in Mistral's contract: uploaded into it, read in the background, shown with their text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.jobs.files import link_to
from aquilon.api.jobs.files_upload import receive_file
from aquilon.api.json_answer import json_answer
from aquilon.api.libraries.mistral_bodies import (
    DocumentBody,
    DocumentList,
    DocumentStatus,
    DocumentText,
    document_body,
    document_status,
    pagination,
)
from aquilon.api.libraries.mistral_libraries import Page, PageSize
from aquilon.api.libraries.vector_store_fields import Attributes
from aquilon.api.listing import MOST
from aquilon.api.routes import Routes
from aquilon.api.schemas import answers
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import unsupported
from aquilon.libraries.documents import NewDocument, checked_attributes
from aquilon.libraries.libraries import require_change
from aquilon.libraries.store.documents import DocumentFilter

routes = Routes("/v1/libraries/{library_id}/documents", tag="libraries")

_DOCUMENT = "/{document_id}"
_LINK_HOURS = 1
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
_DELETED = answers((), description="The document is deleted.", status=204)
_READ_AGAIN = answers((), description="The document is read again, in the background.", status=204)
_LINK = answers((), description="The link. Everybody who has it can read the file, for an hour.")
_LINK[200]["content"] = {"application/json": {"schema": {"type": "string"}}}


class ChangeDocument(Fields):
    """A field that isn't sent leaves what is there."""

    name: str | None = Field(None, min_length=1, max_length=255)
    attributes: Attributes | None = Field(None, description="In place of all attributes that are there.")
    expires_at: datetime | None = Field(
        None, strict=False, description="Refused: a document stays until it is deleted."
    )


@routes.post(
    "",
    "Upload a document into a library",
    answer=DocumentBody,
    says="The document, which is read in the background.",
    status=201,
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload_document(request: Request, caller: Caller, library_id: str) -> Response:
    state = services(request)
    require_change(caller)
    library = (await state.libraries.get(caller, library_id)).library
    visibility: Literal["workspace", "user"] = "user" if library.visibility == "user" else "workspace"
    file = await receive_file(
        request,
        state.files,
        caller,
        described=lambda description: replace(description, purpose="assistants", visibility=visibility, seconds=None),
    )
    try:
        added = await state.documents.add(
            caller, library_id, NewDocument(file_id=file.id, attributes={}), uploaded=True
        )
    except BaseException:
        await state.files.remove(caller.organization_id, file.id)
        raise
    return json_answer(document_body(*added), 201)


@routes.get("", "List the documents of a library", answer=DocumentList, says="The documents, newest first.")
async def list_documents(
    request: Request,
    caller: Caller,
    library_id: str,
    page: Page = 0,
    page_size: PageSize = MOST,
    search: str | None = None,
    sort_by: str | None = None,
    sort_order: Literal["asc", "desc"] = "desc",
    filters_attributes: str | None = None,
) -> Response:
    if sort_by and sort_by != "created_at":
        raise unsupported(f"An order by '{sort_by[:50]}' is", param="sort_by")
    if filters_attributes:
        raise unsupported("A list by 'filters_attributes' is", param="filters_attributes")
    documents, criteria = services(request).documents, DocumentFilter(search=search)
    rows, _ = await documents.page(
        caller,
        library_id,
        criteria,
        oldest_first=sort_order == "asc",
        offset=page * page_size,
        limit=page_size,
    )
    total = await documents.count(caller, library_id, criteria)
    pages = pagination(total=total, page=page, page_size=page_size)
    return json_answer(DocumentList(data=[document_body(*row) for row in rows], pagination=pages))


@routes.get(_DOCUMENT, "Get a document", answer=DocumentBody, says="The document, with how far it is read.")
async def get_document(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    return json_answer(document_body(*await services(request).documents.get(caller, library_id, document_id)))


async def change_document(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    fields = await read_body(request, ChangeDocument)
    if fields.expires_at is not None:
        raise unsupported("An expiry of documents is", param="expires_at")
    attributes = None
    if "attributes" in fields.model_fields_set:
        attributes = checked_attributes(fields.attributes)
    changed = await services(request).documents.change(
        caller, library_id, document_id, name=fields.name, attributes=attributes
    )
    return json_answer(document_body(*changed))


for _method in ("PUT", "PATCH"):  # Mistral's clients of 2025 and of 2026
    routes.add(
        _method,
        _DOCUMENT,
        "Change a document",
        request=ChangeDocument,
        answer=DocumentBody,
        says="The document as it is now.",
    )(change_document)


@routes.delete(_DOCUMENT, "Delete a document", responses=_DELETED, status_code=204)
async def delete_document(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    """A file that was uploaded into the library is deleted too."""
    await services(request).documents.delete(caller, library_id, document_id)
    return Response(status_code=204)


@routes.get(
    _DOCUMENT + "/text_content",
    "Read the text of a document",
    answer=DocumentText,
    says="The text that was read out of the document.",
)
async def get_document_text(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    return json_answer(DocumentText(await services(request).documents.text(caller, library_id, document_id)))


@routes.get(
    _DOCUMENT + "/status", "Get how far a document is read", answer=DocumentStatus, says="The document's status."
)
async def get_document_status(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    document, _ = await services(request).documents.get(caller, library_id, document_id)
    return json_answer(document_status(document))


@routes.get(
    _DOCUMENT + "/signed-url",
    "Create a link to a document's file",
    responses=_LINK,
)
async def get_document_link(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    _, file = await services(request).documents.get(caller, library_id, document_id)
    link = link_to(request, file, caller, hours=_LINK_HOURS)
    return Response(msgspec.json.encode(link), media_type="application/json", headers={"cache-control": "no-store"})


@routes.get(
    _DOCUMENT + "/extracted-text-signed-url",
    "Create a link to a document's text",
    says="This is not supported.",
    status=400,
    status_code=400,
)
async def get_text_link(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    """The text itself is at `text_content`."""
    await services(request).documents.get(caller, library_id, document_id)
    raise unsupported("A link to a document's text, which 'text_content' has, is", param="document_id")


@routes.post(_DOCUMENT + "/reprocess", "Read a document again", responses=_READ_AGAIN, status_code=204)
async def reprocess_document(request: Request, caller: Caller, library_id: str, document_id: str) -> Response:
    await services(request).documents.read_again(caller, library_id, document_id)
    return Response(status_code=204)
