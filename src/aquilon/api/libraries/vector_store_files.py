"""The files of a vector store, one by one and in batches, their text and their passages."""

from __future__ import annotations

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.libraries.vector_store_bodies import (
    DeletedVectorStoreFile,
    FileBatchBody,
    FileContent,
    PassageBody,
    TextContent,
    VectorStoreFileBody,
    VectorStoreFilePage,
    batch_body,
    file_body,
    passage_body,
)
from aquilon.api.libraries.vector_store_fields import AddFile, AddFiles, ChangeFile
from aquilon.api.listing import bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.libraries.documents import checked_attributes
from aquilon.libraries.store.documents import DocumentFilter
from aquilon.people.identity import Principal

routes = Routes("/v1/vector_stores/{vector_store_id}", tag="libraries")

_FILE = "/files/{file_id}"
_BATCH = "/file_batches/{file_batch_id}"
Status = Literal["in_progress", "completed", "failed", "cancelled"]
Order = Literal["asc", "desc"]


@routes.post(
    "/files",
    "Add a file to a vector store",
    request=AddFile,
    answer=VectorStoreFileBody,
    says="The file, which is read in the background. One that is there already is read again.",
)
async def add_vector_store_file(request: Request, caller: Caller, vector_store_id: str) -> Response:
    fields = await read_body(request, AddFile)
    document, _ = await services(request).documents.add(caller, vector_store_id, fields.document())
    return json_answer(file_body(document))


@routes.get("/files", "List the files of a vector store", answer=VectorStoreFilePage, says="The files, newest first.")
async def list_vector_store_files(
    request: Request,
    caller: Caller,
    vector_store_id: str,
    after: str | None = None,
    before: str | None = None,
    filter: Status | None = None,
    limit: int = 20,
    order: Order = "desc",
) -> Response:
    criteria = DocumentFilter(status=filter)
    state = services(request)
    return await _page(state, caller, vector_store_id, criteria, after=after, before=before, limit=limit, order=order)


@routes.get(
    _FILE, "Get a file of a vector store", answer=VectorStoreFileBody, says="The file, with how far it is read."
)
async def get_vector_store_file(request: Request, caller: Caller, vector_store_id: str, file_id: str) -> Response:
    document, _ = await services(request).documents.get(caller, vector_store_id, file_id)
    return json_answer(file_body(document))


@routes.post(
    _FILE,
    "Change the attributes of a file",
    request=ChangeFile,
    answer=VectorStoreFileBody,
    says="The file with its new attributes.",
)
async def change_vector_store_file(request: Request, caller: Caller, vector_store_id: str, file_id: str) -> Response:
    fields = await read_body(request, ChangeFile)
    attributes = checked_attributes(fields.attributes)
    document, _ = await services(request).documents.change(caller, vector_store_id, file_id, attributes=attributes)
    return json_answer(file_body(document))


@routes.delete(
    _FILE,
    "Take a file out of a vector store",
    answer=DeletedVectorStoreFile,
    says="The id of the file. Its passages are deleted; the file itself stays in /v1/files.",
)
async def delete_vector_store_file(request: Request, caller: Caller, vector_store_id: str, file_id: str) -> Response:
    await services(request).documents.delete(caller, vector_store_id, file_id)
    return json_answer(DeletedVectorStoreFile(id=file_id))


@routes.get(
    _FILE + "/content", "Read the text of a file", answer=FileContent, says="The text that was read out of the file."
)
async def get_vector_store_file_content(
    request: Request, caller: Caller, vector_store_id: str, file_id: str
) -> Response:
    text = await services(request).documents.text(caller, vector_store_id, file_id)
    return json_answer(FileContent(data=[TextContent(text=text)]))


@routes.get(
    _FILE + "/passages/{passage_id}",
    "Read a passage with the text around it",
    answer=PassageBody,
    says="The passage that a footnote names, marked in the text around it.",
)
async def get_passage(
    request: Request, caller: Caller, vector_store_id: str, file_id: str, passage_id: str
) -> Response:
    place = await services(request).documents.place(caller, vector_store_id, file_id, passage_id)
    return json_answer(passage_body(place))


@routes.post(
    "/file_batches",
    "Add files to a vector store together",
    request=AddFiles,
    answer=FileBatchBody,
    says="The batch, whose files are read in the background.",
)
async def create_file_batch(request: Request, caller: Caller, vector_store_id: str) -> Response:
    fields, documents = await read_body(request, AddFiles), services(request).documents
    batch = await documents.add_batch(caller, vector_store_id, fields.documents())
    return json_answer(batch_body(*await documents.batch(caller, vector_store_id, batch.id)))


@routes.get(_BATCH, "Get a batch of files", answer=FileBatchBody, says="The batch, with how many files are read.")
async def get_file_batch(request: Request, caller: Caller, vector_store_id: str, file_batch_id: str) -> Response:
    return json_answer(batch_body(*await services(request).documents.batch(caller, vector_store_id, file_batch_id)))


@routes.post(
    _BATCH + "/cancel",
    "Cancel a batch of files",
    answer=FileBatchBody,
    says="The batch. Files that were read stay; the others are not read.",
)
async def cancel_file_batch(request: Request, caller: Caller, vector_store_id: str, file_batch_id: str) -> Response:
    return json_answer(batch_body(*await services(request).documents.cancel(caller, vector_store_id, file_batch_id)))


@routes.get(_BATCH + "/files", "List the files of a batch", answer=VectorStoreFilePage, says="The files, newest first.")
async def list_file_batch_files(
    request: Request,
    caller: Caller,
    vector_store_id: str,
    file_batch_id: str,
    after: str | None = None,
    before: str | None = None,
    filter: Status | None = None,
    limit: int = 20,
    order: Order = "desc",
) -> Response:
    state = services(request)
    await state.documents.batch(caller, vector_store_id, file_batch_id)
    criteria = DocumentFilter(status=filter, batch_id=file_batch_id)
    return await _page(state, caller, vector_store_id, criteria, after=after, before=before, limit=limit, order=order)


async def _page(
    state: Services,
    caller: Principal,
    library_id: str,
    criteria: DocumentFilter,
    *,
    after: str | None,
    before: str | None,
    limit: int,
    order: Order,
) -> Response:
    rows, has_more = await state.documents.page(
        caller,
        library_id,
        criteria,
        after=after,
        before=before,
        oldest_first=order == "asc",
        limit=bounded(limit, least=0),
    )
    return json_answer(listed([file_body(document) for document, _ in rows], has_more=has_more))
