"""Feedback on responses, and the pairs of answers that are kept from it for training: our own extension."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat import feedback
from aquilon.chat.answer_trees import PairFormat, PreferencePair
from aquilon.chat.feedback import MOST_COMMENT_CHARACTERS, Rating, Reason
from aquilon.chat.preferences import preference_pairs
from aquilon.chat.tables.feedback import Feedback
from aquilon.conversations.dialects.fields import OwnFields

routes = Routes("/v1", tag="feedback")

_OF_RESPONSE = "/responses/{response_id}/feedback"


class RateResponse(OwnFields):
    rating: Rating
    reason: Reason | None = None
    comment: str | None = Field(None, max_length=MOST_COMMENT_CHARACTERS)
    consent: bool = Field(
        False,
        description="Whether the question and the answers to it may be used for training models. Only in a "
        "conversation that the person alone sees, and where the organization keeps such pairs.",
    )


class FeedbackBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller thinks of a response; nobody else is shown it."""

    object: str = "response.feedback"
    response_id: str
    rating: Rating
    reason: str | None
    comment: str | None
    consent: bool
    created_at: int
    updated_at: int


class OpenAIPairInput(msgspec.Struct, frozen=True, kw_only=True):
    messages: list[dict[str, str]]
    tools: list[dict[str, Any]]
    parallel_tool_calls: bool


class OpenAIPair(msgspec.Struct, frozen=True, kw_only=True):
    """A line in the shape of OpenAI's preference fine-tuning."""

    input: OpenAIPairInput
    preferred_output: list[dict[str, str]]
    non_preferred_output: list[dict[str, str]]


class TrlPair(msgspec.Struct, frozen=True, kw_only=True):
    """A line in the conversational shape of TRL's trainers."""

    prompt: list[dict[str, str]]
    chosen: list[dict[str, str]]
    rejected: list[dict[str, str]]


@routes.put(
    _OF_RESPONSE,
    "Rate a response",
    request=RateResponse,
    answer=FeedbackBody,
    says="The caller's feedback, in place of an earlier one.",
)
async def rate_response(request: Request, caller: Caller, response_id: str) -> Response:
    fields = await read_body(request, RateResponse)
    row = await feedback.rate(
        services(request).database,
        caller,
        response_id,
        rating=fields.rating,
        reason=fields.reason,
        comment=fields.comment,
        consent=fields.consent,
    )
    return json_answer(_body(row))


@routes.get(_OF_RESPONSE, "Read one's feedback on a response", answer=FeedbackBody, says="The caller's feedback.")
async def get_feedback(request: Request, caller: Caller, response_id: str) -> Response:
    return json_answer(_body(await feedback.own(services(request).database, caller, response_id)))


@routes.delete(
    _OF_RESPONSE,
    "Withdraw one's feedback on a response",
    says="The feedback is deleted, and with it the consent to training.",
    status=204,
)
async def withdraw_feedback(request: Request, caller: Caller, response_id: str) -> Response:
    state = services(request)
    await feedback.withdraw(state.database, caller, response_id)
    state.conversations.deletion.erasure.request()
    return Response(status_code=204)


@routes.get(
    "/conversations/{conversation_id}/feedback",
    "List one's feedback on the responses of a conversation",
    answer=ListOf[FeedbackBody],
    says="The caller's feedback on each response of the conversation that the caller has rated.",
)
async def list_feedback(request: Request, caller: Caller, conversation_id: str) -> Response:
    rows: Sequence[Feedback] = await feedback.own_in_conversation(services(request).database, caller, conversation_id)
    return json_answer(ListOf(data=[_body(row) for row in rows]))


@routes.get(
    "/organization/preference-pairs",
    "Export the answers that people preferred",
    answer=(OpenAIPair, TrlPair),
    says="JSON Lines: for each pair, the messages before, the answer that was rated up, and another one. Only of "
    "people who agreed to it.",
    other="application/jsonl",
)
async def export_preference_pairs(
    request: Request, caller: Caller, format: Literal["openai", "trl"] = "trl"
) -> Response:
    pairs = await preference_pairs(services(request).database, caller)
    headers = {"content-disposition": f'attachment; filename="preferences-{format}.jsonl"', "cache-control": "no-store"}
    return StreamingResponse(_lines(pairs, format), media_type="application/jsonl", headers=headers)


async def _lines(pairs: AsyncGenerator[PreferencePair], format: PairFormat) -> AsyncGenerator[bytes]:
    async for pair in pairs:
        yield msgspec.json.encode(pair.as_row(format)) + b"\n"


def _body(row: Feedback) -> FeedbackBody:
    return FeedbackBody(
        response_id=row.run_id,
        rating="up" if row.rating == "up" else "down",
        reason=row.reason,
        comment=row.comment,
        consent=row.consent,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
