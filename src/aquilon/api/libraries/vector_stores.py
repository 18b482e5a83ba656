"""``/v1/vector_stores``: libraries of documents in OpenAI's contract, and the search in them."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.libraries.vector_store_bodies import (
    DeletedVectorStore,
    SearchPage,
    VectorStoreBody,
    VectorStorePage,
    search_result,
    vector_store_body,
)
from aquilon.api.libraries.vector_store_fields import (
    AddFiles,
    ChangeVectorStore,
    CreateVectorStore,
    SearchVectorStore,
)
from aquilon.api.listing import bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.libraries.libraries import LibraryChange, NewLibrary

routes = Routes("/v1/vector_stores", tag="libraries")

_STORE = "/{vector_store_id}"


@routes.post(
    "",
    "Create a vector store",
    request=CreateVectorStore,
    answer=VectorStoreBody,
    says="The vector store. Its files are read in the background.",
)
async def create_vector_store(request: Request, caller: Caller) -> Response:
    fields, state = await read_body(request, CreateVectorStore), services(request)
    added = AddFiles(file_ids=fields.file_ids or [], chunking_strategy=fields.chunking_strategy).documents()
    created = await state.libraries.create(
        caller,
        NewLibrary(
            name=fields.name or "",
            description=fields.description,
            labels=msgspec.json.encode(fields.metadata or {}).decode(),
            visibility=fields.visibility,
            expires_days=None if fields.expires_after is None else fields.expires_after.days,
        ),
    )
    if added:
        try:
            await state.documents.add_batch(caller, created.library.id, added)
        except BaseException:
            await state.libraries.delete(caller, created.library.id)
            raise
        created = await state.libraries.get(caller, created.library.id)
    return json_answer(vector_store_body(created))


@routes.get(
    "", "List the vector stores", answer=VectorStorePage, says="The vector stores that the caller sees, newest first."
)
async def list_vector_stores(
    request: Request,
    caller: Caller,
    after: str | None = None,
    before: str | None = None,
    limit: int = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    page, has_more = await services(request).libraries.page(
        caller, after=after, before=before, oldest_first=order == "asc", limit=bounded(limit, least=0)
    )
    return json_answer(listed([vector_store_body(one) for one in page], has_more=has_more))


@routes.get(_STORE, "Get a vector store", answer=VectorStoreBody, says="The vector store.")
async def get_vector_store(request: Request, caller: Caller, vector_store_id: str) -> Response:
    return json_answer(vector_store_body(await services(request).libraries.get(caller, vector_store_id)))


@routes.post(
    _STORE,
    "Change a vector store",
    request=ChangeVectorStore,
    answer=VectorStoreBody,
    says="The vector store as it is now.",
)
async def change_vector_store(request: Request, caller: Caller, vector_store_id: str) -> Response:
    fields = await read_body(request, ChangeVectorStore)
    sent, expires = fields.model_fields_set, fields.expires_after
    change = LibraryChange(
        name=UNSET if fields.name is None else fields.name,
        description=fields.description if "description" in sent else UNSET,
        labels=msgspec.json.encode(fields.metadata or {}).decode() if "metadata" in sent else UNSET,
        visibility=fields.visibility or UNSET,
        expires_days=UNSET if "expires_after" not in sent else None if expires is None else expires.days,
    )
    changed = await services(request).libraries.change(caller, vector_store_id, change)
    return json_answer(vector_store_body(changed))


@routes.delete(
    _STORE,
    "Delete a vector store",
    answer=DeletedVectorStore,
    says="The id of the deleted vector store. Files of /v1/files stay.",
)
async def delete_vector_store(request: Request, caller: Caller, vector_store_id: str) -> Response:
    await services(request).libraries.delete(caller, vector_store_id)
    return json_answer(DeletedVectorStore(id=vector_store_id))


@routes.post(
    _STORE + "/search",
    "Search a vector store",
    request=SearchVectorStore,
    answer=SearchPage,
    says="The passages that answer the query, the best first: by their words and by their meaning.",
)
async def search_vector_store(request: Request, caller: Caller, vector_store_id: str) -> Response:
    fields = await read_body(request, SearchVectorStore)
    found = await services(request).retrieval.search(caller, [vector_store_id], fields.question(fields.text))
    queries = [fields.query] if isinstance(fields.query, str) else fields.query
    page = SearchPage(search_query=queries, data=[search_result(hit) for hit in found.hits], means=found.means)
    return json_answer(page)
