"""Routes for objects that OpenAI stores and this server doesn't: chat completions, fine-tuned models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.error_bodies import ErrorBody
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf
from aquilon.api.routes import Routes
from aquilon.errors import not_found

routes = Routes(tag="not stored")


@routes.get(
    "/v1/chat/completions",
    "List stored chat completions",
    answer=PageOf[str],
    says="An empty list: chat completions aren't stored.",
)
async def list_chat_completions(caller: Caller) -> Response:
    return json_answer(PageOf[str](data=[], first_id=None, last_id=None, has_more=False))


_COMPLETION = ("chat completion", "Chat completions aren't stored, so every id is unknown.")
_MODEL = ("fine-tuned model", "There are no fine-tuned models. Operators remove a model at /v1/server/models.")
_UNSTORED = (
    ("GET", "/v1/chat/completions/{completion_id}", "Read a stored chat completion", *_COMPLETION),
    ("POST", "/v1/chat/completions/{completion_id}", "Change a stored chat completion", *_COMPLETION),
    ("DELETE", "/v1/chat/completions/{completion_id}", "Delete a stored chat completion", *_COMPLETION),
    (
        "GET",
        "/v1/chat/completions/{completion_id}/messages",
        "List the messages of a stored chat completion",
        *_COMPLETION,
    ),
    ("DELETE", "/v1/models/{model_id:path}", "Delete a fine-tuned model", *_MODEL),
)
"""Method, path, summary, the kind of object, and the description of the answer, which is always 404."""


def _add_unstored(method: str, path: str, summary: str, *, kind: str, says: str) -> None:
    parameter = path.partition("{")[2].partition("}")[0].partition(":")[0]
    code = "model_not_found" if kind == "fine-tuned model" else f"{kind.replace(' ', '_')}_not_found"

    async def refuse(request: Request, caller: Caller) -> Response:
        message = f"There is no {kind} '{request.path_params[parameter][:100]}': this server stores none"
        raise not_found(message, param="model" if code == "model_not_found" else None, code=code)

    parameters = [{"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}]
    routes.add(
        method,
        path,
        summary,
        answer=ErrorBody,
        says=says,
        status=404,
        status_code=404,
        openapi_extra={"parameters": parameters},
    )(refuse)


for _method, _path, _summary, _kind, _says in _UNSTORED:
    _add_unstored(_method, _path, _summary, kind=_kind, says=_says)
