"""Two models, or two settings, answer one question side by side; a person says which answer is better.

The server chooses which side is left. In a blind comparison nothing that a person gets before voting names a
side's model or settings. Answers are not stored, and the question only with the person's consent.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.leaderboard import Rating, ratings
from aquilon.chat.store import comparisons as stored
from aquilon.chat.tables.comparisons import ComparisonVote, StoredComparison
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.retention import DAY
from aquilon.conversations.visible import default_visibility
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import ApiError, not_found, overloaded
from aquilon.generation.merging import merged
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.prepared import Prepared
from aquilon.money.open_charges import OpenCharges
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.request import ChatPrompt, Delta, Event, Finished, GenerationRequest, Started
from aquilon.storage import Database
from aquilon.text.messages import Message

Position = Literal["left", "right"]
Choice = Literal["left", "right", "tie", "both_bad"]
_PRUNED_AT_ONCE = 200
_MOST_PLAYERS = 200
_RETRY_AFTER = 5
"""Seconds, when a fall-back would answer in a side's place: its answer would be judged as the side's."""


class Side(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one side answers with."""

    model: str
    temperature: float | None = None
    """None takes the model's default."""
    top_p: float | None = None
    instructions: str = ""


class Piece(msgspec.Struct, frozen=True):
    """More text of one side's answer."""

    side: Position
    text: str


class Ended(msgspec.Struct, frozen=True):
    side: Position
    finish_reason: str


class Failed(msgspec.Struct, frozen=True):
    side: Position
    error: ApiError


SideEvent = Piece | Ended | Failed


@dataclass(frozen=True, kw_only=True)
class NewComparison:
    sides: tuple[Side, Side]
    """In the order of the request."""
    prompt: str
    max_tokens: int | None
    blind: bool
    store_prompt: bool


@dataclass(frozen=True)
class Judged:
    """A comparison with the caller's own vote."""

    comparison: StoredComparison
    vote: ComparisonVote | None

    @property
    def revealed(self) -> bool:
        """Whether the caller may know which side is which."""
        return not self.comparison.blind or self.vote is not None


@dataclass(frozen=True)
class Begun:
    """A comparison whose sides are about to answer, left first."""

    judged: Judged
    prepared: tuple[Prepared, Prepared]


class Comparisons:
    def __init__(
        self, database: Database, pipeline: Pipeline, conversations: Conversations, *, open_charges: OpenCharges
    ) -> None:
        self._database = database
        self._pipeline = pipeline
        self._conversations = conversations
        self._open_charges = open_charges

    async def begin(self, principal: Principal, new: NewComparison) -> Begun:
        """Raises ApiError as `Pipeline.prepare` does, with ``sides.0`` or ``sides.1`` before the wrong field."""
        require(principal, "generate", principal.workspace_role)
        require_feature(principal, "explore")
        if new.store_prompt:
            await self._conversations.require_kept(principal)
        pairs = [
            (side, await self._prepare(principal, new, side=side, number=number))
            for number, side in enumerate(new.sides)
        ]
        random.SystemRandom().shuffle(pairs)
        (left, left_prepared), (right, right_prepared) = pairs
        row = StoredComparison(
            id=new_id("cmp"),
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            visibility=default_visibility(principal),
            blind=new.blind,
            answered=False,
            left_model=left_prepared.model,
            right_model=right_prepared.model,
            left_side=_encoded(left, left_prepared.model),
            right_side=_encoded(right, right_prepared.model),
            prompt=msgspec.json.encode(new.prompt).decode() if new.store_prompt else None,
            created_at=int(time.time()),
        )
        async with self._database.writing() as session:
            session.add(row)
        return Begun(Judged(row, None), (left_prepared, right_prepared))

    async def _prepare(self, principal: Principal, new: NewComparison, *, side: Side, number: int) -> Prepared:
        instructions = (Message("system", side.instructions),) if side.instructions else ()
        request = GenerationRequest(
            model=side.model,
            prompt=ChatPrompt((*instructions, Message("user", new.prompt))),
            sampling=SamplingParameters(top_p=1.0 if side.top_p is None else side.top_p, max_tokens=new.max_tokens),
            temperature=side.temperature,
        )
        try:
            return await self._pipeline.prepare(request, principal)
        except ApiError as error:
            error.param = f"sides.{number}.{error.param or 'model'}"
            raise

    async def answer(self, principal: Principal, begun: Begun, *, streamed: bool) -> AsyncGenerator[SideEvent]:
        """Both answers at once. A side that fails leaves the other one alone; then there can be no vote.

        Closing the iterator cancels both; what was generated until then is recorded as usage. ``streamed`` as in
        `Pipeline.answer`.
        """
        left, right = begun.prepared
        streams = [
            self._side(principal, "left", left, streamed=streamed),
            self._side(principal, "right", right, streamed=streamed),
        ]
        ended: set[Position] = set()
        async with aclosing(merged(streams)) as events:
            async for event in events:
                if isinstance(event, Ended):
                    ended.add(event.side)
                    if len(ended) == len(streams):
                        await self._mark_answered(principal, begun.judged.comparison)
                yield event

    async def _side(
        self, principal: Principal, side: Position, prepared: Prepared, *, streamed: bool
    ) -> AsyncGenerator[SideEvent]:
        reason = ""
        events: AsyncGenerator[Event] = self._pipeline.answer(
            [prepared],
            principal,
            request_id=new_id("cmpside"),
            streamed=streamed,
            opened=self._open_charges.add if streamed else None,
        )
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Started) and event.stand_in:
                        raise overloaded(f"'{prepared.model}' can't answer now", retry_after=_RETRY_AFTER)
                    if isinstance(event, Delta) and event.text:
                        yield Piece(side, event.text)
                    elif isinstance(event, Finished):
                        reason = event.reason
        except ApiError as error:
            yield Failed(side, error)
        else:
            yield Ended(side, reason)

    async def _mark_answered(self, principal: Principal, comparison: StoredComparison) -> None:
        async with self._database.writing() as session:
            await stored.mark_answered(session, Scope.of_organization(principal), comparison.id)
        comparison.answered = True

    async def get(self, principal: Principal, comparison_id: str) -> Judged:
        """Raises ApiError 404."""
        async with self._database.reading() as session:
            return await self._judged(session, principal, comparison_id)

    async def latest_first(
        self, principal: Principal, *, after: str | None, limit: int
    ) -> tuple[Sequence[Judged], bool]:
        """A page of the comparisons that the caller may see, and whether more follow. Raises ApiError 404."""
        async with self._database.reading() as session:
            last = None if after is None else (await self._judged(session, principal, after)).comparison
            rows = await stored.latest_first(session, principal, after=last, limit=limit + 1)
            votes = await stored.votes_of(session, principal, [row.id for row in rows])
        judged = [Judged(await self._kept(principal, row), votes.get(row.id)) for row in rows[:limit]]
        return judged, len(rows) > limit

    async def vote(self, principal: Principal, comparison_id: str, choice: Choice) -> Judged:
        """Vote, or change the vote. Raises ApiError 404, or 409 before both sides have answered."""
        try:
            return await self._vote(principal, comparison_id, choice)
        except IntegrityError:  # the same person voted at the same moment
            return await self._vote(principal, comparison_id, choice)

    async def _vote(self, principal: Principal, comparison_id: str, choice: Choice) -> Judged:
        now = int(time.time())
        async with self._database.writing() as session:
            judged = await self._judged(session, principal, comparison_id)
            comparison, vote = judged.comparison, judged.vote
            if not comparison.answered:
                raise ApiError(
                    409,
                    "invalid_request_error",
                    "The two sides have not both answered to the end: there is nothing to vote on",
                    code="comparison_not_answered",
                )
            if vote is None:
                vote = ComparisonVote(
                    comparison_id=comparison.id,
                    user_id=principal.user_id,
                    organization_id=principal.organization_id,
                    choice=choice,
                    blind=comparison.blind,
                    created_at=now,
                    changed_at=now,
                )
                session.add(vote)
            elif vote.choice != choice:
                vote.choice, vote.blind, vote.changed_at = choice, False, now
            await session.flush()
        return Judged(comparison, vote)

    async def delete(self, principal: Principal, comparison_id: str) -> None:
        """Delete a comparison with its votes. Raises ApiError 404."""
        async with self._database.writing() as session:
            await self._judged(session, principal, comparison_id)
            await stored.delete(session, Scope.of_organization(principal), comparison_id)
        self._conversations.deletion.erasure.request()

    async def leaderboard(self, principal: Principal, *, settings: bool, blind: bool) -> list[Rating]:
        """The ratings that the votes give, best first; see `stored.tallies`. Raises ApiError 403."""
        require(principal, "generate", principal.workspace_role)
        require_feature(principal, "explore")
        async with self._database.reading() as session:
            tallies = await stored.tallies(session, principal, settings=settings, blind=blind)
        return ratings(_of_most_voted(tallies))

    async def prune(self) -> int:
        """Forget some of the questions that are kept no longer, and some comparisons that nobody can vote on; returns
        how many."""
        now = int(time.time())
        async with self._database.writing() as session:
            count = await stored.forget_prompts(session, now=now, most=_PRUNED_AT_ONCE)
            count += await stored.delete_unanswered(session, before=now - DAY, most=_PRUNED_AT_ONCE)
        if count:
            self._conversations.deletion.erasure.request()
        return count

    async def _judged(self, session: AsyncSession, principal: Principal, comparison_id: str) -> Judged:
        comparison = await stored.by_id(session, principal, comparison_id)
        if comparison is None:
            raise not_found(
                f"There is no comparison '{comparison_id[:100]}'", param="comparison", code="comparison_not_found"
            )
        votes = await stored.votes_of(session, principal, [comparison.id])
        return Judged(await self._kept(principal, comparison), votes.get(comparison.id))

    async def _kept(self, principal: Principal, comparison: StoredComparison) -> StoredComparison:
        """The comparison, without a question that is kept no longer."""
        if comparison.prompt is not None:
            days = await self._conversations.kept_days(principal)
            if days is not None and comparison.created_at + days * DAY <= time.time():
                comparison.prompt = None
        return comparison


def _encoded(side: Side, model: str) -> str:
    return msgspec.json.encode(msgspec.structs.replace(side, model=model)).decode()


def _of_most_voted(tallies: Sequence[tuple[str, str, str, int]]) -> list[tuple[str, str, str, int]]:
    """The votes between the players with the most votes: a rating takes the cube of their number."""
    votes: dict[str, int] = {}
    for left, right, _, count in tallies:
        for player in (left, right):
            votes[player] = votes.get(player, 0) + count
    kept = set(sorted(votes, key=lambda player: (-votes[player], player))[:_MOST_PLAYERS])
    return [tally for tally in tallies if tally[0] in kept and tally[1] in kept]
