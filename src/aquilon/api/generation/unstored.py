"""What OpenAI keeps of answers and this server doesn't: stored chat completions and responses, fine-tuned models.

Their lists are empty, and each of them is not found.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.errors import ErrorBody
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.schemas import answers
from aquilon.errors import not_found

routes = Routes()

NEVER = answers(ErrorBody, status=404, description="There is none, ever")


class EmptyList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[str] = []
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


@routes.get(
    "/v1/chat/completions", "No chat completions: none are stored", answer=EmptyList, says="Always empty", tags=["chat"]
)
async def list_chat_completions(caller: Caller) -> Response:
    return json_answer(EmptyList())


@routes.get(
    "/v1/chat/completions/{completion_id}",
    "Not found: chat completions aren't stored",
    tags=["chat"],
    status_code=404,
    responses=NEVER,
)
async def get_chat_completion(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@routes.post(
    "/v1/chat/completions/{completion_id}",
    "Not found: chat completions aren't stored",
    tags=["chat"],
    status_code=404,
    responses=NEVER,
)
async def change_chat_completion(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@routes.delete(
    "/v1/chat/completions/{completion_id}",
    "Not found: chat completions aren't stored",
    tags=["chat"],
    status_code=404,
    responses=NEVER,
)
async def delete_chat_completion(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@routes.get(
    "/v1/chat/completions/{completion_id}/messages",
    "Not found: chat completions aren't stored",
    tags=["chat"],
    status_code=404,
    responses=NEVER,
)
async def list_chat_messages(caller: Caller, completion_id: str) -> Response:
    _not_stored("chat completion", completion_id)


@routes.get(
    "/v1/responses/{response_id}",
    "Not found: responses aren't stored",
    tags=["responses"],
    status_code=404,
    responses=NEVER,
)
async def get_response(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@routes.delete(
    "/v1/responses/{response_id}",
    "Not found: responses aren't stored",
    tags=["responses"],
    status_code=404,
    responses=NEVER,
)
async def delete_response(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@routes.post(
    "/v1/responses/{response_id}/cancel",
    "Not found: there are no responses in the background",
    tags=["responses"],
    status_code=404,
    responses=NEVER,
)
async def cancel_response(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@routes.get(
    "/v1/responses/{response_id}/input_items",
    "Not found: responses aren't stored",
    tags=["responses"],
    status_code=404,
    responses=NEVER,
)
async def list_input_items(caller: Caller, response_id: str) -> Response:
    _not_stored("response", response_id)


@routes.delete(
    "/v1/models/{model_id:path}",
    "Not found: there are no fine-tuned models; operators remove a server's model at /v1/server/models",
    tags=["models"],
    status_code=404,
    responses=NEVER,
)
async def delete_model(caller: Caller, model_id: str) -> Response:
    raise not_found(f"There is no fine-tuned model '{model_id[:100]}'", param="model", code="model_not_found")


def _not_stored(kind: str, id_: str) -> NoReturn:
    raise not_found(
        f"There is no {kind} '{id_[:100]}': none are stored here", code=f"{kind.replace(' ', '_')}_not_found"
    )
