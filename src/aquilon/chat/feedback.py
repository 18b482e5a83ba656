"""What a person thinks of an answer, and whether it may be used for training."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Literal, get_args

from aquilon.chat import settings
from aquilon.chat.store import feedback as stored_feedback
from aquilon.chat.tables.feedback import Feedback
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import runs as stored_runs
from aquilon.errors import ApiError, forbidden, not_found
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.storage import Database

Rating = Literal["up", "down"]
Reason = Literal[
    "accurate",
    "helpful",
    "well_written",
    "inaccurate",
    "unhelpful",
    "instructions_ignored",
    "wrong_language",
    "unsafe",
    "other",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
MOST_COMMENT_CHARACTERS = 2000
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


async def rate(
    database: Database,
    principal: Principal,
    run_id: str,
    *,
    rating: Rating,
    reason: Reason | None = None,
    comment: str | None = None,
    consent: bool = False,
) -> Feedback:
    """Keep the caller's judgement in place of an earlier one.

    Raises ApiError: 404, 403 for consent where the organization keeps no pairs, and 409 for consent in a conversation
    that other people see: one person can't agree for them.
    """
    require(principal, "generate", principal.workspace_role)
    now = int(time.time())
    scope = Scope.of_user(principal)
    async with database.writing() as session:
        run = await stored_runs.by_id(session, principal, run_id)
        if run is None:
            raise _no_response(run_id)
        if consent:
            if not (await settings.stored(session, scope)).preference_pairs:
                raise forbidden(
                    "This organization keeps no judgements for training: leave out 'consent'",
                    code="preference_pairs_off",
                )
            conversation = await stored_conversations.by_id(session, principal, run.conversation_id)
            if conversation is None or conversation.visibility != "user":
                raise ApiError(
                    409,
                    "invalid_request_error",
                    "Other people may write in this conversation, since the workspace sees it: nobody can agree to "
                    "training for them",
                    param="consent",
                    code="consent_needs_private",
                )
        feedback = await stored_feedback.of_run(session, scope, run_id)
        if feedback is None:
            feedback = Feedback(
                run_id=run_id, user_id=principal.user_id, organization_id=principal.organization_id, created_at=now
            )
            session.add(feedback)
        feedback.rating, feedback.reason, feedback.consent, feedback.updated_at = rating, reason, consent, now
        feedback.comment = _CONTROLS.sub("", comment or "").strip() or None
    return feedback


async def own(database: Database, principal: Principal, run_id: str) -> Feedback:
    """The caller's judgement of an answer. Raises ApiError 404."""
    async with database.reading() as session:
        if await stored_runs.by_id(session, principal, run_id) is None:
            raise _no_response(run_id)
        feedback = await stored_feedback.of_run(session, Scope.of_user(principal), run_id)
    if feedback is None:
        raise _not_rated(run_id)
    return feedback


async def own_in_conversation(database: Database, principal: Principal, conversation_id: str) -> Sequence[Feedback]:
    """The caller's judgements of the answers in a conversation. Raises ApiError 404."""
    async with database.reading() as session:
        if await stored_conversations.by_id(session, principal, conversation_id) is None:
            raise not_found(
                f"There is no conversation '{conversation_id[:100]}'",
                param="conversation",
                code="conversation_not_found",
            )
        return await stored_feedback.of_conversation(session, Scope.of_user(principal), conversation_id)


async def withdraw(database: Database, principal: Principal, run_id: str) -> None:
    """Raises ApiError 404."""
    async with database.writing() as session:
        if await stored_runs.by_id(session, principal, run_id) is None:
            raise _no_response(run_id)
        if not await stored_feedback.delete(session, Scope.of_user(principal), run_id):
            raise _not_rated(run_id)


def _no_response(run_id: str) -> ApiError:
    return not_found(
        f"There is no response '{run_id[:100]}': it was not stored, or it was deleted", code="response_not_found"
    )


def _not_rated(run_id: str) -> ApiError:
    return not_found(f"You have not rated the response '{run_id[:100]}'", code="feedback_not_found")
