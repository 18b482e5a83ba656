"""``/v1/responses``: OpenAI's newer shape of an answer to a conversation. Nothing is stored."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.responses_answers import (
    FormatEcho,
    InputTokens,
    ReasoningEcho,
    ResponseBody,
    TextEcho,
)
from aquilon.api.generation.responses_events import STREAM_EVENTS, frames, whole_answer
from aquilon.api.generation.responses_fields import ResponsesRequest
from aquilon.api.generation.responses_tools import echoes
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.generation.fallbacks import Unprepared
from aquilon.people.secrets import new_id

routes = Routes(tag="responses", direct=True)


@routes.post(
    "/v1/responses",
    "Answer a conversation, in OpenAI's newer shape",
    request=ResponsesRequest,
    answer=ResponseBody,
    says="The answer, or a stream of events while it is written.",
    stream=STREAM_EVENTS,
)
async def create_response(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ResponsesRequest)
    pipeline = services(request).pipeline
    prepared = await pipeline.prepare(fields.generation(_default_model(request)), caller)
    response = _unanswered(fields, prepared.model, _temperature(request, fields, prepared.model))
    events = pipeline.answer(
        [prepared],
        caller,
        request_id=response.id,
        headers=model_answer_headers(request, prepared.model),
        streamed=bool(fields.stream),
    )
    if fields.stream:
        return EventStream(frames(events, response))
    return _json(await answer_unless_gone(request, whole_answer(events, response)))


@routes.post(
    "/v1/responses/input_tokens",
    "Count the tokens of a request's input",
    request=ResponsesRequest,
    answer=InputTokens,
    says="The number of input tokens.",
)
async def count_input_tokens(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ResponsesRequest)
    prepared = await services(request).pipeline.prepare(fields.generation(_default_model(request)), caller)
    if isinstance(prepared, Unprepared):
        raise prepared.reason
    return _json(msgspec.json.encode(InputTokens(input_tokens=prepared.prompt_tokens)))


def _default_model(request: Request) -> str:
    cards = services(request).catalogue.cards()
    if not cards:
        raise invalid("Send a 'model': this server has no model to use by default", param="model")
    return cards[0].name


def _temperature(request: Request, fields: ResponsesRequest, model: str) -> float:
    """The temperature that is used; OpenAI's default for an upstream's model, whose default is unknown."""
    if fields.temperature is not None:
        return fields.temperature
    state = services(request)
    card = state.catalogue.get(model)
    default = None if card is None else state.texts.default_temperature(card)
    return 1.0 if default is None else default


def _unanswered(fields: ResponsesRequest, model: str, temperature: float) -> ResponseBody:
    """The response before its first item, with the request's own fields."""
    format_ = fields.text.format if fields.text is not None else None
    return ResponseBody(
        id=new_id("resp"),
        created_at=int(time.time()),
        model=model,
        instructions=fields.instructions,
        max_output_tokens=fields.max_output_tokens,
        metadata=fields.metadata or {},
        parallel_tool_calls=fields.parallel_tool_calls is not False,
        reasoning=ReasoningEcho(
            fields.reasoning.effort if fields.reasoning is not None else None,
            fields.reasoning.summary if fields.reasoning is not None else None,
        ),
        temperature=temperature,
        text=TextEcho(
            FormatEcho(type="text" if format_ is None else format_.type)
            if format_ is None or format_.type != "json_schema"
            else FormatEcho(
                type=format_.type,
                name=format_.name or "answer",
                description=format_.description,
                schema=format_.schema_,
                strict=format_.strict is not False,
            )
        ),
        tool_choice=_choice(fields),
        tools=echoes(tool for _, offer in fields.offers for tool in offer),
        top_logprobs=fields.top_logprobs or 0,
        top_p=1.0 if fields.top_p is None else fields.top_p,
        presence_penalty=fields.presence_penalty or 0.0,
        frequency_penalty=fields.frequency_penalty or 0.0,
        max_tool_calls=fields.max_tool_calls,
        prompt_cache_key=fields.prompt_cache_key,
        user=fields.user,
        safety_identifier=fields.safety_identifier,
    )


def _choice(fields: ResponsesRequest) -> str | dict[str, Any]:
    choice = fields.tool_choice
    if isinstance(choice, str | None):
        return "required" if choice == "any" else choice or "auto"
    return choice.model_dump(exclude_none=True, exclude_defaults=True)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
