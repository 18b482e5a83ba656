"""``/v1/comparisons``: two models or settings answer side by side, people vote, and a leaderboard counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.errors import error_response
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, PageOf, bounded, listed
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.comparisons import Choice, Ended, Failed, Judged, NewComparison, Piece, Position, Side, SideEvent
from aquilon.chat.leaderboard import FEW_VOTES, Rating
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.conversations.dialects.frames import DONE, frame
from aquilon.errors import ApiError
from aquilon.people.identity import Principal

routes = Routes("/v1/comparisons", tag="comparisons")

MAX_PROMPT = 32_000
MAX_INSTRUCTIONS = 8_000
MAX_ANSWER_TOKENS = 4_096
_COMPARISON = "/{comparison_id}"


class SideFields(OwnFields):
    """What one side answers with."""

    model: str = Field(min_length=1, max_length=1000, description="A model's name, or an alias.")
    temperature: float | None = Field(None, ge=0, le=2, description="null uses the model's default.")
    top_p: float | None = Field(None, ge=0, le=1)
    instructions: str = Field("", max_length=MAX_INSTRUCTIONS, description="A system prompt.")


class CompareRequest(OwnFields):
    sides: list[SideFields] = Field(
        min_length=2, max_length=2, description="The server decides by chance which of them is left."
    )
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT, description="The question that both sides answer.")
    max_tokens: int | None = Field(
        None, ge=1, le=MAX_ANSWER_TOKENS, description="The longest answer of each side; null as for a chat completion."
    )
    blind: bool = Field(
        True, description="With true, no answer of the API says which side is which, until the caller has voted."
    )
    store_prompt: bool = Field(
        False, description="With true, the question is kept with the comparison; otherwise only the sides are."
    )
    stream: bool = False


class VoteRequest(OwnFields):
    choice: Choice = Field(description="The better answer; `both_bad` counts like a tie.")


class SideBody(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    temperature: float | None
    """null for the model's default."""
    top_p: float | None
    instructions: str


class VoteBody(msgspec.Struct, frozen=True, kw_only=True):
    choice: Choice
    blind: bool
    """Whether it was given before the sides were known, and not changed since."""
    created_at: int
    changed_at: int


class ComparisonBody(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison without its answers, which are not stored. Times are in unix seconds."""

    id: str
    object: str = "comparison"
    created_at: int
    blind: bool
    answered: bool
    """Whether both sides answered to the end, so that there can be a vote."""
    left: SideBody | None
    """null in a blind comparison until the caller has voted."""
    right: SideBody | None
    prompt: str | None
    """null unless it was stored."""
    vote: VoteBody | None
    """The caller's own."""


class SideAnswer(msgspec.Struct, frozen=True, kw_only=True):
    side: Position
    text: str
    finish_reason: str | None
    """null for a side that failed."""
    error: str | None = None
    """Why it failed; in a blind comparison only that it did."""


class AnsweredComparison(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "comparison.answers"
    comparison: ComparisonBody
    answers: list[SideAnswer]
    """Left, then right."""


class ComparisonStarted(msgspec.Struct, frozen=True, tag="comparison.started", tag_field="type"):
    comparison: ComparisonBody


class SideDelta(msgspec.Struct, frozen=True, tag="comparison.delta", tag_field="type"):
    side: Position
    text: str
    """To be appended to the side's answer."""


class SideEnded(msgspec.Struct, frozen=True, tag="comparison.side_ended", tag_field="type"):
    side: Position
    finish_reason: str


class SideFailed(msgspec.Struct, frozen=True, tag="comparison.side_failed", tag_field="type"):
    side: Position
    message: str
    """In a blind comparison it names no model."""


class ComparisonEnded(msgspec.Struct, frozen=True, tag="comparison.ended", tag_field="type"):
    comparison: ComparisonBody


class ComparisonPage(PageOf[ComparisonBody], frozen=True, kw_only=True):
    pass


class DeletedComparison(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "comparison.deleted"
    deleted: bool = True


class RatingBody(msgspec.Struct, frozen=True, kw_only=True):
    """A player's strength in Elo's points: 400 are odds of ten to one, the mean of all players is 1000."""

    model: str
    settings: SideBody | None
    """With `by=settings`: the settings that were compared."""
    rating: float
    low: float
    """`low` to `high` is the 95 % confidence interval."""
    high: float
    votes: int
    wins: float
    """Ties, and votes that both are bad, count one half."""
    preliminary: bool
    """Whether it rests on fewer votes than `few_votes`."""


class Leaderboard(ListOf[RatingBody], frozen=True, kw_only=True):
    """Bradley and Terry's model, fitted to the votes; the best player first."""

    few_votes: int = FEW_VOTES


@routes.post(
    "",
    "Let two models or settings answer the same question",
    request=CompareRequest,
    answer=AnsweredComparison,
    says="Both answers, or a stream of their events.",
    stream=[ComparisonStarted, SideDelta, SideEnded, SideFailed, ComparisonEnded],
)
async def create_comparison(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CompareRequest)
    comparisons = services(request).comparisons
    first, second = (
        Side(model=side.model, temperature=side.temperature, top_p=side.top_p, instructions=side.instructions)
        for side in fields.sides
    )
    new = NewComparison(
        sides=(first, second),
        prompt=fields.prompt,
        max_tokens=fields.max_tokens,
        blind=fields.blind,
        store_prompt=fields.store_prompt,
    )
    begun = await comparisons.begin(caller, new)
    events = comparisons.answer(caller, begun, streamed=fields.stream)
    if fields.stream:
        return EventStream(_frames(events, begun.judged), Reader(request, may_ask_models))
    return await answer_unless_gone(request, _whole_answer(events, begun.judged))


@routes.get(
    "",
    "List the comparisons",
    answer=ComparisonPage,
    says="The comparisons that were answered and that the caller may see, the latest first.",
)
async def list_comparisons(request: Request, caller: Caller, after: str | None = None, limit: int = 20) -> Response:
    rows, more = await services(request).comparisons.latest_first(caller, after=after, limit=bounded(limit))
    return json_answer(listed([_body(judged) for judged in rows], has_more=more))


@routes.get(
    "/leaderboard",
    "Rank models by the votes on comparisons",
    answer=Leaderboard,
    says="The players' ratings with 95 % confidence intervals; empty until there is a vote.",
)
async def leaderboard(
    request: Request,
    caller: Caller,
    by: Annotated[
        Literal["model", "settings"],
        Query(
            description="`model`: models, by all votes in the organization. `settings`: models with their settings, by "
            "the votes on comparisons that the caller may see."
        ),
    ] = "model",
    blind: Annotated[bool, Query(description="With true, only votes that were given blind count.")] = False,
) -> Response:
    by_settings = by == "settings"
    board = await services(request).comparisons.leaderboard(caller, settings=by_settings, blind=blind)
    bodies = [_rating_body(rating, by_settings=by_settings) for rating in board]
    return json_answer(Leaderboard(data=[body for body in bodies if _may_know(caller, body.model)]))


@routes.get(_COMPARISON, "Read a comparison", answer=ComparisonBody, says="The comparison, with the caller's own vote.")
async def get_comparison(request: Request, caller: Caller, comparison_id: str) -> Response:
    return json_answer(_body(await services(request).comparisons.get(caller, comparison_id)))


@routes.put(
    f"{_COMPARISON}/vote",
    "Vote on a comparison, or change the vote",
    request=VoteRequest,
    answer=ComparisonBody,
    says="The comparison, which now says which side is which. There is one vote a person.",
)
async def vote_on_comparison(request: Request, caller: Caller, comparison_id: str) -> Response:
    fields = await read_body(request, VoteRequest)
    return json_answer(_body(await services(request).comparisons.vote(caller, comparison_id, fields.choice)))


@routes.delete(
    _COMPARISON, "Delete a comparison with its votes", answer=DeletedComparison, says="The comparison is deleted."
)
async def delete_comparison(request: Request, caller: Caller, comparison_id: str) -> Response:
    await services(request).comparisons.delete(caller, comparison_id)
    return json_answer(DeletedComparison(id=comparison_id))


async def _frames(events: AsyncGenerator[SideEvent], judged: Judged) -> AsyncGenerator[bytes]:
    encode = msgspec.json.encode
    yield frame(encode(ComparisonStarted(_body(judged))))
    async with aclosing(events):
        async for event in events:
            match event:
                case Piece():
                    yield frame(encode(SideDelta(event.side, event.text)))
                case Ended():
                    yield frame(encode(SideEnded(event.side, event.finish_reason)))
                case Failed():
                    yield frame(encode(SideFailed(event.side, _failure(event.error, judged))))
    yield frame(encode(ComparisonEnded(_body(judged))))
    yield DONE


async def _whole_answer(events: AsyncGenerator[SideEvent], judged: Judged) -> Response:
    """If both sides fail, the answer is the first failure."""
    texts: dict[Position, str] = {"left": "", "right": ""}
    reasons: dict[Position, str] = {}
    failures: dict[Position, ApiError] = {}
    async with aclosing(events):
        async for event in events:
            match event:
                case Piece():
                    texts[event.side] += event.text
                case Ended():
                    reasons[event.side] = event.finish_reason
                case Failed():
                    failures[event.side] = event.error
    if len(failures) == len(texts) and not judged.comparison.blind:
        return error_response(next(iter(failures.values())))
    answers = [
        SideAnswer(
            side=side,
            text=text,
            finish_reason=reasons.get(side),
            error=_failure(failures[side], judged) if side in failures else None,
        )
        for side, text in texts.items()
    ]
    return json_answer(AnsweredComparison(comparison=_body(judged), answers=answers))


def _failure(error: ApiError, judged: Judged) -> str:
    if judged.comparison.blind:  # the message may name the model
        return "This side can't answer now. Compare again, or choose other sides"
    return error.message


def _body(judged: Judged) -> ComparisonBody:
    row, vote = judged.comparison, judged.vote
    return ComparisonBody(
        id=row.id,
        created_at=row.created_at,
        blind=row.blind,
        answered=row.answered,
        left=_side_body(row.left_side) if judged.revealed else None,
        right=_side_body(row.right_side) if judged.revealed else None,
        prompt=None if row.prompt is None else msgspec.json.decode(row.prompt, type=str),
        vote=None
        if vote is None
        else VoteBody(
            choice=msgspec.convert(vote.choice, Choice),
            blind=vote.blind,
            created_at=vote.created_at,
            changed_at=vote.changed_at,
        ),
    )


def _side_body(stored: str) -> SideBody:
    side = msgspec.json.decode(stored, type=Side)
    return SideBody(model=side.model, temperature=side.temperature, top_p=side.top_p, instructions=side.instructions)


def _rating_body(rating: Rating, *, by_settings: bool) -> RatingBody:
    settings = _side_body(rating.player) if by_settings else None
    return RatingBody(
        model=rating.player if settings is None else settings.model,
        settings=settings,
        rating=round(rating.rating, 1),
        low=round(rating.low, 1),
        high=round(rating.high, 1),
        votes=rating.votes,
        wins=rating.wins,
        preliminary=rating.preliminary,
    )


def _may_know(caller: Principal, model: str) -> bool:
    return caller.allowed_models is None or model in caller.allowed_models
