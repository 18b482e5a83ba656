"""What OpenAI keeps of answers and this server doesn't: stored chat completions and responses, fine-tuned models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.errors import ErrorBody
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf
from aquilon.api.routes import Routes
from aquilon.errors import not_found

routes = Routes(tag="not stored")


@routes.get(
    "/v1/chat/completions",
    "List stored chat completions: there are none",
    answer=PageOf[str],
    says="The list is always empty.",
)
async def list_chat_completions(caller: Caller) -> Response:
    return json_answer(PageOf[str](data=[], first_id=None, last_id=None, has_more=False))


_COMPLETION = ("chat completion", "Chat completions aren't stored: the answer is always 404")
_RESPONSE = ("response", "Responses aren't stored: the answer is always 404")
_MODEL = ("fine-tuned model", "There are no fine-tuned models; operators remove a model at /v1/server/models")
_NEVER_FOUND = (
    ("GET", "/v1/chat/completions/{completion_id}", *_COMPLETION),
    ("POST", "/v1/chat/completions/{completion_id}", *_COMPLETION),
    ("DELETE", "/v1/chat/completions/{completion_id}", *_COMPLETION),
    ("GET", "/v1/chat/completions/{completion_id}/messages", *_COMPLETION),
    ("GET", "/v1/responses/{response_id}", *_RESPONSE),
    ("DELETE", "/v1/responses/{response_id}", *_RESPONSE),
    ("POST", "/v1/responses/{response_id}/cancel", *_RESPONSE),
    ("GET", "/v1/responses/{response_id}/input_items", *_RESPONSE),
    ("DELETE", "/v1/models/{model_id:path}", *_MODEL),
)
"""Method, path, what its parameter names, summary."""


def _never_found(method: str, path: str, kind: str, summary: str) -> None:
    parameter = path.partition("{")[2].partition("}")[0].partition(":")[0]
    code = "model_not_found" if kind == "fine-tuned model" else f"{kind.replace(' ', '_')}_not_found"

    async def refuse(request: Request, caller: Caller) -> Response:
        message = f"There is no {kind} '{request.path_params[parameter][:100]}': none are stored here"
        raise not_found(message, param="model" if code == "model_not_found" else None, code=code)

    described = [{"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}]
    routes.add(
        method,
        path,
        summary,
        answer=ErrorBody,
        says=f"There is no such {kind}.",
        status=404,
        status_code=404,
        openapi_extra={"parameters": described},
    )(refuse)


for _row in _NEVER_FOUND:
    _never_found(*_row)
