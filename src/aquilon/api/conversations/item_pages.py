"""A page of a conversation's items, alone or with their places in its tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from aquilon.api.listing import PageOf
from aquilon.conversations.conversations import Asker, Surroundings
from aquilon.conversations.dialects.item_bodies import ItemBody
from aquilon.conversations.dialects.responses_answers import (
    IncompleteDetails,
    ResponseError,
    ResponseUsage,
    incomplete_details,
    response_error,
    response_usage,
)
from aquilon.conversations.run import RunError
from aquilon.conversations.store.items import OPEN_RUNS
from aquilon.conversations.store.runs import RunState
from aquilon.conversations.store.siblings import Siblings
from aquilon.conversations.tables import StoredItem


class ItemPage(PageOf[ItemBody], frozen=True, kw_only=True):
    pass


class SiblingsBody(msgspec.Struct, frozen=True, kw_only=True):
    """The items below the same one, on different branches, in the order of these."""

    number: int
    """Which of them the item is, from 1."""
    count: int
    previous_id: str | None
    next_id: str | None


class AskerBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str | None
    """Null for a person who has no account any more."""


class ItemPlace(msgspec.Struct, frozen=True, kw_only=True):
    item_id: str
    parent_id: str | None
    """The item above it."""
    response_id: str | None
    """The answer that it is part of, or whose input it is."""
    created_at: int
    siblings: SiblingsBody
    asked_by: AskerBody | None
    """Who asked this question, in a conversation that several people have asked in; null for the reader's own, and
    where that isn't known."""


class AnswerState(msgspec.Struct, frozen=True, kw_only=True):
    """How far an answer is, in any contract, and what it has used. Times are in unix seconds."""

    id: str
    status: str
    """``queued``, ``in_progress``, ``completed``, ``incomplete``, ``failed`` or ``cancelled``."""
    model: str
    leaf_id: str | None
    """Its last item; while it is being written, the one that it answers."""
    created_at: int
    completed_at: int | None
    usage: ResponseUsage | None
    """Null until it has ended."""
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None


class TreePage(ItemPage, frozen=True, kw_only=True):
    """Items with their places in the conversation's tree."""

    places: list[ItemPlace]
    """The places of the items of ``data``, in the same order."""
    responses: list[AnswerState]
    """The answers that the items belong to, and all of the conversation that are being written; the oldest first."""


def tree_page(page: PageOf[ItemBody], rows: Sequence[StoredItem], surroundings: Surroundings) -> TreePage:
    return TreePage(
        data=page.data,
        first_id=page.first_id,
        last_id=page.last_id,
        has_more=page.has_more,
        places=[_place(row, surroundings.siblings[row.id], surroundings.askers) for row in rows],
        responses=[_answer_state(run) for run in surroundings.runs],
    )


def _place(row: StoredItem, siblings: Siblings, askers: Mapping[str, Asker]) -> ItemPlace:
    asker = None if row.output or row.run_id is None else askers.get(row.run_id)
    return ItemPlace(
        item_id=row.id,
        parent_id=row.parent_id,
        response_id=row.run_id,
        created_at=row.created_at,
        siblings=SiblingsBody(
            number=siblings.number,
            count=siblings.count,
            previous_id=siblings.previous_id,
            next_id=siblings.next_id,
        ),
        asked_by=None if asker is None else AskerBody(id=asker.id, name=asker.name),
    )


def _answer_state(run: RunState) -> AnswerState:
    error = None if run.error is None else msgspec.json.decode(run.error, type=RunError)
    return AnswerState(
        id=run.id,
        status=run.status,
        model=run.model,
        leaf_id=run.leaf_id,
        created_at=run.created_at,
        completed_at=run.ended_at,
        usage=None if run.status in OPEN_RUNS else response_usage(run.usage),
        error=None if error is None else response_error(error),
        incomplete_details=incomplete_details(run.reason) if run.status == "incomplete" else None,
    )
