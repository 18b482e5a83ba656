"""``/v1/libraries``: libraries of documents in Mistral's contract, and with whom they are shared."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from msgspec import UNSET
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.errors import params_as
from aquilon.api.json_answer import json_answer
from aquilon.api.libraries.mistral_bodies import (
    LibraryBody,
    LibraryList,
    SharingBody,
    SharingList,
    library_body,
    pagination,
    sharing_body,
)
from aquilon.api.libraries.vector_store_fields import MOST_DESCRIPTION, MOST_NAME
from aquilon.api.listing import MOST
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import invalid, unsupported
from aquilon.libraries.libraries import LibraryChange, NewLibrary, Visibility
from aquilon.libraries.tables import Library

routes = Routes("/v1/libraries", tag="libraries")

_LIBRARY = "/{library_id}"
_VISIBILITIES: dict[str, Visibility] = {"User": "user", "Workspace": "workspace"}
Page = Annotated[int, Query(ge=0, le=10**6)]
PageSize = Annotated[int, Query(ge=1, le=MOST)]


class CreateLibrary(Fields):
    name: str = Field(max_length=MOST_NAME)
    description: str | None = Field(None, max_length=MOST_DESCRIPTION)
    chunk_size: int | None = Field(None, ge=256, le=32_768, description="The most characters of a passage.")
    owner_type: Literal["User", "Workspace"] | None = Field(
        None, description="By default `User` for a signed-in person, who alone sees it, and `Workspace` for a key."
    )


class ChangeLibrary(Fields):
    """A field that isn't sent leaves what is there."""

    name: str | None = Field(None, max_length=MOST_NAME)
    description: str | None = Field(None, max_length=MOST_DESCRIPTION)


class Unshare(Fields):
    share_with_uuid: str = Field(max_length=256)
    share_with_type: Literal["User", "Workspace", "Org"]
    org_id: str | None = Field(None, max_length=256, description="Without effect.")


class Share(Unshare):
    level: Literal["Viewer", "Editor"] = Field(description="`Editor`: who sees a library may change it.")


@routes.post(
    "", "Create a library", request=CreateLibrary, answer=LibraryBody, says="The library.", status=201, status_code=201
)
async def create_library(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CreateLibrary)
    new = NewLibrary(
        name=fields.name,
        description=fields.description,
        visibility=None if fields.owner_type is None else _VISIBILITIES[fields.owner_type],
        chunk_size=fields.chunk_size,
    )
    with params_as({"visibility": "owner_type"}):
        created = await services(request).libraries.create(caller, new)
    return json_answer(library_body(created), 201)


@routes.get("", "List the libraries", answer=LibraryList, says="The libraries that the caller sees, newest first.")
async def list_libraries(
    request: Request,
    caller: Caller,
    page: Page = 0,
    page_size: PageSize = MOST,
    page_token: str | None = None,
    search: str | None = None,
) -> Response:
    libraries = services(request).libraries
    rows, has_more = await libraries.page(
        caller,
        after=page_token or None,
        search=search,
        offset=0 if page_token else page * page_size,
        limit=page_size,
    )
    pages = None
    if page_token is None:
        pages = pagination(total=await libraries.count(caller, search=search), page=page, page_size=page_size)
    next_token = rows[-1].library.id if has_more else None
    return json_answer(
        LibraryList(data=[library_body(row) for row in rows], pagination=pages, next_page_token=next_token)
    )


@routes.get(_LIBRARY, "Get a library", answer=LibraryBody, says="The library.")
async def get_library(request: Request, caller: Caller, library_id: str) -> Response:
    return json_answer(library_body(await services(request).libraries.get(caller, library_id)))


async def change_library(request: Request, caller: Caller, library_id: str) -> Response:
    fields = await read_body(request, ChangeLibrary)
    change = LibraryChange(
        name=UNSET if fields.name is None else fields.name,
        description=fields.description if "description" in fields.model_fields_set else UNSET,
    )
    return json_answer(library_body(await services(request).libraries.change(caller, library_id, change)))


for _method in ("PUT", "PATCH"):  # Mistral's clients of 2025 and of 2026
    routes.add(
        _method,
        _LIBRARY,
        "Change a library",
        request=ChangeLibrary,
        answer=LibraryBody,
        says="The library as it is now.",
    )(change_library)


@routes.delete(
    _LIBRARY, "Delete a library", answer=LibraryBody, says="The library that was deleted, with its documents."
)
async def delete_library(request: Request, caller: Caller, library_id: str) -> Response:
    libraries = services(request).libraries
    deleted = await libraries.get(caller, library_id)
    await libraries.delete(caller, library_id)
    return json_answer(library_body(deleted))


@routes.get(
    _LIBRARY + "/share", "List with whom a library is shared", answer=SharingList, says="Its workspace, or its user."
)
async def list_sharing(request: Request, caller: Caller, library_id: str) -> Response:
    library = (await services(request).libraries.get(caller, library_id)).library
    return json_answer(SharingList([sharing_body(library)]))


@routes.put(
    _LIBRARY + "/share",
    "Share a library with its workspace",
    request=Share,
    answer=SharingBody,
    says="With whom it is shared now.",
)
async def share_library(request: Request, caller: Caller, library_id: str) -> Response:
    fields, libraries = await read_body(request, Share), services(request).libraries
    _require_own_workspace((await libraries.get(caller, library_id)).library, fields)
    shared = await libraries.change(caller, library_id, LibraryChange(visibility="workspace"))
    return json_answer(sharing_body(shared.library))


@routes.delete(
    _LIBRARY + "/share",
    "Share a library no longer",
    request=Unshare,
    answer=SharingBody,
    says="What was shared before. The library is its user's alone now.",
)
async def unshare_library(request: Request, caller: Caller, library_id: str) -> Response:
    fields, libraries = await read_body(request, Unshare), services(request).libraries
    library = (await libraries.get(caller, library_id)).library
    before = sharing_body(library)
    _require_own_workspace(library, fields)
    await libraries.change(caller, library_id, LibraryChange(visibility="user"))
    return json_answer(before)


def _require_own_workspace(library: Library, fields: Unshare) -> None:
    """Raises ApiError 400: a library is shared with its own workspace or with nobody."""
    if fields.share_with_type != "Workspace":
        raise unsupported(f"Sharing a library with a {fields.share_with_type} is", param="share_with_type")
    if fields.share_with_uuid != library.workspace_id:
        raise invalid(
            f"The library belongs to the workspace '{library.workspace_id}', and can be shared with that one alone",
            param="share_with_uuid",
            code="library_elsewhere",
        )
