"""What OpenAI keeps of answers and this server doesn't: stored chat completions and responses, fine-tuned models.

Their lists are empty, and each of them is not found.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from aquilon.platform.api.errors import ErrorBody
from aquilon.platform.api.json_answer import json_answer
from aquilon.platform.api.schemas import answers
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.domain.errors import not_found

router = APIRouter()

NEVER = answers(ErrorBody, status=404, description="There is none, ever")


class EmptyList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[str] = []
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


ANSWERS: list[type[msgspec.Struct]] = [EmptyList]


@router.get(
    "/v1/chat/completions",
    tags=["not stored"],
    summary="An empty list: chat completions aren't stored",
    responses=answers(EmptyList, description="An empty list"),
)
async def list_chat_completions(caller: Caller) -> Response:
    return json_answer(EmptyList())


@router.get(
    "/v1/chat/completions/{completion_id}",
    tags=["not stored"],
    summary="Not found: chat completions aren't stored",
    status_code=404,
    responses=NEVER,
)
async def get_chat_completion(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@router.post(
    "/v1/chat/completions/{completion_id}",
    tags=["not stored"],
    summary="Not found: chat completions aren't stored",
    status_code=404,
    responses=NEVER,
)
async def change_chat_completion(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@router.delete(
    "/v1/chat/completions/{completion_id}",
    tags=["not stored"],
    summary="Not found: chat completions aren't stored",
    status_code=404,
    responses=NEVER,
)
async def delete_chat_completion(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@router.get(
    "/v1/chat/completions/{completion_id}/messages",
    tags=["not stored"],
    summary="Not found: chat completions aren't stored",
    status_code=404,
    responses=NEVER,
)
async def list_chat_messages(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@router.get(
    "/v1/responses/{response_id}",
    tags=["not stored"],
    summary="Not found: responses aren't stored",
    status_code=404,
    responses=NEVER,
)
async def get_response(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@router.delete(
    "/v1/responses/{response_id}",
    tags=["not stored"],
    summary="Not found: responses aren't stored",
    status_code=404,
    responses=NEVER,
)
async def delete_response(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@router.post(
    "/v1/responses/{response_id}/cancel",
    tags=["not stored"],
    summary="Not found: there are no responses in the background",
    status_code=404,
    responses=NEVER,
)
async def cancel_response(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@router.get(
    "/v1/responses/{response_id}/input_items",
    tags=["not stored"],
    summary="Not found: responses aren't stored",
    status_code=404,
    responses=NEVER,
)
async def list_input_items(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@router.delete(
    "/v1/models/{model_id:path}",
    tags=["not stored"],
    summary="Not found: there are no fine-tuned models; operators remove a server's model at /v1/server/models",
    status_code=404,
    responses=NEVER,
)
async def delete_model(caller: Caller, model_id: str) -> Response:
    raise not_found(f"There is no fine-tuned model '{model_id[:100]}'", param="model", code="model_not_found")


def _not_stored(kind: str, id_: str) -> NoReturn:
    raise not_found(
        f"There is no {kind} '{id_[:100]}': none are stored here", code=f"{kind.replace(' ', '_')}_not_found"
    )
