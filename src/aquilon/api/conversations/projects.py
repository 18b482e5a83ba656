"""``/v1/projects``: folders of conversations, our own extension."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.conversations.conversations import Visibility
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.conversations.dialects.search_fields import VectorStoreId
from aquilon.conversations.projects import (
    MOST_INSTRUCTION_CHARACTERS,
    MOST_LIBRARIES_OF_PROJECT,
    MOST_NAME_CHARACTERS,
    ProjectChange,
)
from aquilon.conversations.tables import StoredProject
from aquilon.conversations.visible import default_visibility
from aquilon.errors import invalid

routes = Routes("/v1/projects", tag="projects")

_PROJECT = "/{project_id}"
_DELETED_AT_ONCE = 50


class ChangeProject(OwnFields):
    """A field that isn't sent leaves what is there."""

    name: str | None = Field(None, min_length=1, max_length=MOST_NAME_CHARACTERS)
    instructions: str | None = Field(
        None,
        max_length=MOST_INSTRUCTION_CHARACTERS,
        description="What models are told before each answer in the project's conversations, in whichever contract it "
        "is asked for: in the system message, in front of the request's own instructions.",
    )
    visibility: Visibility | None = Field(
        None,
        description="`workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which "
        "is how a person's project begins.",
    )
    vector_store_ids: Annotated[list[VectorStoreId], Field(max_length=MOST_LIBRARIES_OF_PROJECT)] | None = Field(
        None,
        description="Libraries that each question in the project's conversations is searched in, besides those that "
        "the request names; answers cite what they use. Whoever can't see a library is answered without it. One whose "
        "metadata has this project's id as `project_id` is deleted with the project.",
    )


class CreateProject(ChangeProject):
    name: str = Field(min_length=1, max_length=MOST_NAME_CHARACTERS)


class ProjectBody(msgspec.Struct, frozen=True, kw_only=True):
    """A project; `GET /v1/conversations?project_id=` lists its conversations. Times are in unix seconds."""

    id: str
    object: str = "project"
    created_at: int
    updated_at: int
    name: str
    instructions: str
    visibility: str
    """``workspace``, or ``user``: only its person sees it, signed in."""
    vector_store_ids: list[str]
    """The libraries that each question in it is searched in."""


class ProjectPage(PageOf[ProjectBody], frozen=True, kw_only=True):
    pass


class DeletedProject(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "project.deleted"
    deleted: bool = True


@routes.post("", "Create a project", request=CreateProject, answer=ProjectBody, says="The project.")
async def create_project(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CreateProject)
    default = default_visibility(caller)
    if fields.visibility == "user" != default:
        raise invalid(
            "A key can't create a project that only a person sees: sign in, or leave out 'visibility'",
            param="visibility",
            code="visibility_of_person",
        )
    project = await services(request).projects.create(
        caller,
        name=fields.name,
        instructions=fields.instructions or "",
        visibility=fields.visibility or default,
        library_ids=fields.vector_store_ids or (),
    )
    return json_answer(_body(project))


@routes.get(
    "",
    "List the projects",
    answer=ProjectPage,
    says="The projects that the workspace shares and, for a signed-in person, their own; the latest first.",
)
async def list_projects(request: Request, caller: Caller, after: str | None = None, limit: int = 20) -> Response:
    rows, more = await services(request).projects.page(caller, after=after, limit=bounded(limit))
    return json_answer(listed([_body(row) for row in rows], has_more=more))


@routes.get(_PROJECT, "Read a project", answer=ProjectBody, says="The project.")
async def get_project(request: Request, caller: Caller, project_id: str) -> Response:
    return json_answer(_body(await services(request).projects.get(caller, project_id)))


@routes.post(_PROJECT, "Change a project", request=ChangeProject, answer=ProjectBody, says="The project as it is now.")
async def change_project(request: Request, caller: Caller, project_id: str) -> Response:
    fields = await read_body(request, ChangeProject)
    change = ProjectChange(
        name=fields.name,
        instructions=fields.instructions,
        visibility=fields.visibility,
        library_ids=fields.vector_store_ids,
    )
    return json_answer(_body(await services(request).projects.change(caller, project_id, change)))


@routes.delete(
    _PROJECT,
    "Delete a project",
    answer=DeletedProject,
    says="The project is deleted, with the libraries made for it. Its conversations stay, in no project; with "
    "`with_conversations=true`, those that the caller sees are deleted first, and their answers that are being written "
    "end.",
)
async def delete_project(
    request: Request, caller: Caller, project_id: str, with_conversations: bool = False
) -> Response:
    state = services(request)
    await state.projects.get(caller, project_id)
    while with_conversations:
        ids = await state.conversations.in_project(caller, project_id, most=_DELETED_AT_ONCE)
        if not ids:
            break
        await state.runs.cancel_all(caller, ids)
        await state.conversations.deletion.delete_all(caller, ids)
    await state.projects.delete(caller, project_id)
    state.memories.erase()  # the entries for it alone went with it
    return json_answer(DeletedProject(id=project_id))


def _body(row: StoredProject) -> ProjectBody:
    return ProjectBody(
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        name=row.name,
        instructions=row.instructions,
        visibility=row.visibility,
        vector_store_ids=row.library_ids,
    )
