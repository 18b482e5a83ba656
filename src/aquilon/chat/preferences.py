"""Pairs of answers to one question, of which a person preferred one: for training by preferences (DPO).

Only judgements are used whose person agreed to it, in conversations that this person alone sees.
The preferred answer was rated up; the other one answers the same question, below the same
messages, and was rated down, or is whole and was not rated. Imported answers are in no pair: their
models belong to others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from aquilon.chat.answer_trees import AnswerTree, PreferencePair
from aquilon.chat.settings import stored as stored_settings
from aquilon.chat.store import feedback as stored_feedback
from aquilon.conversations.items import decoded
from aquilon.conversations.store.trees import contents, pieces, skeleton
from aquilon.conversations.transfer.imports.storing import DIALECT as IMPORTED
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database

_AT_ONCE = 100
_MOST_CHARACTERS = 32 * 2**20
"""A larger conversation is left out."""


async def preference_pairs(database: Database, principal: Principal) -> AsyncGenerator[PreferencePair]:
    """All pairs of the organization; none while it keeps none. Noted in the audit log. Raises ApiError 403 at once."""
    require(principal, "organization.update")
    async with database.writing(alone=True) as session:
        await audit.record(
            session,
            principal,
            "chat.preference_pairs_exported",
            object_id=principal.organization_id,
            object_name=principal.organization_name,
        )
    return _all(database, Scope.of_organization(principal))


async def _all(database: Database, scope: Scope) -> AsyncGenerator[PreferencePair]:
    after = ""
    async with database.reading() as session:
        kept = (await stored_settings(session, scope)).preference_pairs
    while kept:
        async with database.reading() as session:
            page = await stored_feedback.conversations_with_consent(session, scope, after=after, most=_AT_ONCE)
        for conversation_id, user_id in page:
            for pair in await _of_conversation(database, scope, conversation_id, user_id):
                yield pair
        if len(page) < _AT_ONCE:
            return
        after = page[-1][0]


async def _of_conversation(
    database: Database, scope: Scope, conversation_id: str, user_id: str
) -> list[PreferencePair]:
    async with database.reading() as session:
        tree = await _read(session, scope, conversation_id)
        ended = await stored_feedback.ended_runs(session, scope, conversation_id, without=IMPORTED)
        person = Scope(scope.organization_id, user_id)
        rated = {row.run_id: row for row in await stored_feedback.of_conversation(session, person, conversation_id)}
    liked = {run_id for run_id, row in rated.items() if row.rating == "up" and row.consent}
    others = {run_id for run_id, whole in ended if whole and run_id not in rated}
    others |= {run_id for run_id, row in rated.items() if row.rating == "down" and row.consent}
    return list(tree.pairs([run_id for run_id, _ in ended], liked=liked, others=others))


async def _read(session: Any, scope: Scope, conversation_id: str) -> AnswerTree:
    found, tree = await skeleton(session, scope, conversation_id), AnswerTree()
    if sum(item.size for item in found.items) > _MOST_CHARACTERS:
        return tree
    for piece in pieces(found.items):
        rows = await contents(session, scope, conversation_id, piece)
        for place in piece:
            if place.id not in rows:
                return AnswerTree()  # it is being deleted
            tree.add(
                place.id,
                decoded(rows[place.id].content),
                parent_id=found.parents[place.id],
                branch=place.branch,
                run_id=place.run_id if place.output else None,
            )
    return tree
