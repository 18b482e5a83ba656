"""``/v1/agents``: assistants, in Mistral's contract."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body, read_bytes
from aquilon.api.chat.assistant_bodies import (
    Agent,
    AgentAlias,
    AgentPage,
    CreateAgent,
    UpdateAgent,
    agent,
    agent_alias,
)
from aquilon.api.generation.models import visible_card
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.assistants import Assistant, AssistantChange
from aquilon.chat.pictures import MOST_BYTES
from aquilon.chat.store.assistants import ChosenAssistants
from aquilon.conversations.visible import default_visibility
from aquilon.errors import invalid, unsupported

routes = Routes("/v1/agents", tag="assistants")

_AGENT = "/{agent_id}"
_PICTURES = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("image/png", "image/jpeg", "image/webp")
        },
    }
}
Page = Annotated[int, Query(ge=0, le=10**6)]
PageSize = Annotated[int, Query(ge=1, le=MOST)]
Word = Annotated[str | None, Query(max_length=256)]
Sources = Annotated[list[str] | None, Query(description="Where assistants were made: of ours, all by `api`.")]
Alias = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


@routes.post("", "Create an assistant", request=CreateAgent, answer=Agent, says="The assistant in its first version.")
async def create_agent(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CreateAgent)
    fields.require_possible()
    default = default_visibility(caller)
    if fields.visibility == "user" != default:
        raise invalid(
            "A key can't create an assistant that only a person sees: sign in, or leave out 'visibility'",
            param="visibility",
            code="visibility_of_person",
        )
    state = services(request)
    await visible_card(state, caller, fields.model)
    created = await state.assistants.create(
        caller,
        Assistant(**fields.content),
        visibility=fields.visibility or default,
        in_chat=caller.api_key_id is None if fields.deployment_chat is None else fields.deployment_chat,
        message=fields.version_message,
    )
    return json_answer(agent(created))


@routes.get(
    "",
    "List the assistants",
    answer=list[Agent],
    says="The assistants that the workspace shares and, for a signed-in person, their own; the newest first.",
)
async def list_agents(
    request: Request,
    caller: Caller,
    page: Page = 0,
    page_size: PageSize = 20,
    deployment_chat: bool | None = None,
    name: Word = None,
    search: Word = None,
    id: Word = None,
    sources: Sources = None,
    metadata: str | None = None,
) -> Response:
    chosen = _chosen(deployment_chat, name, search, id, sources, metadata)
    rows, _ = await services(request).assistants.page(caller, chosen, offset=page * page_size, limit=page_size)
    return json_answer([agent(row) for row in rows])


@routes.get(
    "/pages",
    "List the assistants page by page",
    answer=AgentPage,
    says="As the list; `next_page_token` is the `page_token` of the next page, null on the last one.",
)
async def list_agent_pages(
    request: Request,
    caller: Caller,
    page_size: PageSize = 20,
    page_token: Word = None,
    deployment_chat: bool | None = None,
    name: Word = None,
    search: Word = None,
    id: Word = None,
    sources: Sources = None,
    metadata: str | None = None,
) -> Response:
    chosen = _chosen(deployment_chat, name, search, id, sources, metadata)
    rows, more = await services(request).assistants.page(caller, chosen, after=page_token or None, limit=page_size)
    token = rows[-1].row.id if more else None
    return json_answer(AgentPage(data=[agent(row) for row in rows], next_page_token=token))


@routes.get(
    _AGENT,
    "Read an assistant",
    answer=Agent,
    says="The assistant in its present version, or in `agent_version`: a number or an alias.",
)
async def get_agent(request: Request, caller: Caller, agent_id: str, agent_version: Word = None) -> Response:
    return json_answer(agent(await services(request).assistants.get(caller, agent_id, agent_version or None)))


@routes.add(
    "PATCH", _AGENT, "Change an assistant", request=UpdateAgent, answer=Agent, says="The assistant as it is now."
)
async def update_agent(request: Request, caller: Caller, agent_id: str) -> Response:
    fields = await read_body(request, UpdateAgent)
    fields.require_possible()
    state = services(request)
    if fields.visibility == "user" and caller.api_key_id is not None:
        await state.assistants.get(caller, agent_id)
        raise invalid(
            "What a key sees, its workspace shares: sign in to make an assistant yours alone",
            param="visibility",
            code="visibility_of_person",
        )
    if fields.model is not None:
        await state.assistants.get(caller, agent_id)
        await visible_card(state, caller, fields.model)
    change = AssistantChange(
        visibility=fields.visibility, in_chat=fields.deployment_chat, message=fields.version_message
    )
    return json_answer(agent(await state.assistants.change(caller, agent_id, fields.content, change)))


@routes.delete(
    _AGENT,
    "Delete an assistant",
    says="The assistant is deleted, with all versions. Conversations that began with it go on as they were.",
    status=204,
)
async def delete_agent(request: Request, caller: Caller, agent_id: str) -> Response:
    state = services(request)
    await state.assistants.delete(caller, agent_id)
    state.memories.erase()  # the entries for it alone went with it
    return Response(status_code=204)


@routes.add(
    "PATCH",
    f"{_AGENT}/version",
    "Return to a version",
    answer=Agent,
    says="The assistant, whose present version is now the one of this number.",
)
async def switch_agent_version(
    request: Request, caller: Caller, agent_id: str, version: Annotated[int, Query(ge=0, le=10**9)]
) -> Response:
    return json_answer(agent(await services(request).assistants.switch(caller, agent_id, version)))


@routes.get(
    f"{_AGENT}/versions",
    "List the versions of an assistant",
    answer=list[Agent],
    says="The assistant in its versions, the newest first.",
)
async def list_agent_versions(
    request: Request, caller: Caller, agent_id: str, page: Page = 0, page_size: PageSize = 20
) -> Response:
    rows = await services(request).assistants.versions(caller, agent_id, offset=page * page_size, limit=page_size)
    return json_answer([agent(row) for row in rows])


@routes.get(
    f"{_AGENT}/versions/{{version}}",
    "Read a version of an assistant",
    answer=Agent,
    says="The assistant in the version of this number or alias.",
)
async def get_agent_version(request: Request, caller: Caller, agent_id: str, version: str) -> Response:
    return json_answer(agent(await services(request).assistants.get(caller, agent_id, version)))


@routes.put(
    f"{_AGENT}/aliases",
    "Name a version of an assistant",
    answer=AgentAlias,
    says="The alias, which now means this version.",
)
async def set_agent_alias(
    request: Request, caller: Caller, agent_id: str, alias: Alias, version: Annotated[int, Query(ge=0, le=10**9)]
) -> Response:
    return json_answer(agent_alias(await services(request).assistants.set_alias(caller, agent_id, alias, version)))


@routes.get(
    f"{_AGENT}/aliases",
    "List the aliases of an assistant",
    answer=list[AgentAlias],
    says="The names of its versions.",
)
async def list_agent_aliases(request: Request, caller: Caller, agent_id: str) -> Response:
    return json_answer([agent_alias(row) for row in await services(request).assistants.aliases(caller, agent_id)])


@routes.delete(
    f"{_AGENT}/aliases",
    "Delete an alias of an assistant",
    says="The alias is deleted; the version stays.",
    status=204,
)
async def delete_agent_alias(request: Request, caller: Caller, agent_id: str, alias: Alias) -> Response:
    await services(request).assistants.delete_alias(caller, agent_id, alias)
    return Response(status_code=204)


@routes.get(
    f"{_AGENT}/picture",
    "Read the picture of an assistant",
    says="A PNG, JPEG or WebP.",
    other="image/*",
)
async def get_agent_picture(request: Request, caller: Caller, agent_id: str) -> Response:
    picture = await services(request).assistants.picture(caller, agent_id)
    headers = {"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"}
    return Response(picture.content, media_type=picture.media_type, headers=headers)


@routes.put(
    f"{_AGENT}/picture",
    "Give an assistant a picture",
    answer=Agent,
    says="The assistant with the address of its picture.",
    openapi_extra=_PICTURES,
)
async def set_agent_picture(request: Request, caller: Caller, agent_id: str) -> Response:
    """The body is the file itself, a PNG, JPEG or WebP of at most 512 KiB and 2,048 pixels a side."""
    assistants = services(request).assistants
    await assistants.set_picture(caller, agent_id, await read_bytes(request, most=MOST_BYTES))
    return json_answer(agent(await assistants.get(caller, agent_id)))


@routes.delete(f"{_AGENT}/picture", "Take an assistant's picture away", says="The picture is deleted.", status=204)
async def delete_agent_picture(request: Request, caller: Caller, agent_id: str) -> Response:
    await services(request).assistants.set_picture(caller, agent_id, None)
    return Response(status_code=204)


def _chosen(
    deployment_chat: bool | None,
    name: str | None,
    search: str | None,
    id_: str | None,
    sources: list[str] | None,
    metadata: str | None,
) -> ChosenAssistants:
    """Mistral's client sends an empty text for what isn't asked for. Raises ApiError 400."""
    if metadata is not None and metadata.startswith("{"):
        raise unsupported("A list by 'metadata' is", param="metadata")
    return ChosenAssistants(
        name=name or None,
        search=search or None,
        id=id_ or None,
        in_chat=deployment_chat,
        sources=[source for source in sources or () if source],
    )
