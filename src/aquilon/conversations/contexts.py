"""Where a run is added to a conversation, and what its model reads first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.histories import Histories, History
from aquilon.conversations.policies import Policies
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import projects as stored_projects
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.store.items import Place
from aquilon.conversations.store.projects import NO_PROJECT, ProjectContext
from aquilon.conversations.tables import StoredConversation
from aquilon.conversations.visible import conversation_in, default_visibility, item_id_below, item_not_found
from aquilon.errors import invalid
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a run is added, and what its model reads first."""

    place: Place
    history: History
    conversation: StoredConversation | None
    """None for a conversation that is stored with the run."""
    kept_days: int | None
    """How long the organization keeps conversations; None for ever."""
    project: ProjectContext = NO_PROJECT
    """What the conversation's project gives to each answer."""

    @property
    def untitled(self) -> bool:
        """Whether the conversation stands in lists without a title: the next question names it."""
        stored = self.conversation
        return stored is not None and not stored.implicit and stored.title is None

    def new_conversation(self, principal: Principal) -> NewConversation | None:
        """The conversation to be stored with the run, if it isn't stored yet."""
        if self.conversation is not None:
            return None
        return NewConversation(id=self.place.conversation_id, visibility=default_visibility(principal))


class Contexts:
    def __init__(self, database: Database, histories: Histories) -> None:
        self._database = database
        self._histories = histories
        self._policies = Policies(database)

    async def fresh(self, principal: Principal) -> Context:
        """The beginning of a conversation that is stored with its first run."""
        place = Place.in_new(new_id("conv"))
        return Context(
            place=place,
            history=History((), 0),
            conversation=None,
            kept_days=await self._policies.days_of(principal.organization_id),
        )

    async def after_run(self, principal: Principal, run_id: str) -> Context:
        """Below the last item of a run. Raises ApiError 400 for an unknown one, as OpenAI does."""
        days = await self._policies.days_of(principal.organization_id)
        async with self._database.reading() as session:
            run = await stored_runs.by_id(session, principal, run_id)
            if run is not None:
                conversation = await stored_conversations.by_id(session, principal, run.conversation_id)
                if conversation is not None and (
                    context := await self._context(session, principal, conversation, run.leaf_id, days=days)
                ):
                    return context
        raise invalid(
            f"There is no response '{run_id[:100]}': it was not stored, or it was deleted",
            param="previous_response_id",
            code="previous_response_not_found",
        )

    async def within(self, principal: Principal, conversation_id: str, *, below: str | None = None) -> Context:
        """At the head of a conversation, below one of its items, or at its `BEGINNING`. Raises ApiError 404."""
        days = await self._policies.days_of(principal.organization_id)
        async with self._database.reading() as session:
            conversation = await conversation_in(session, principal, conversation_id)
            item_id = item_id_below(conversation, below)
            context = await self._context(session, principal, conversation, item_id, days=days)
        if context is None:
            raise item_not_found(item_id or "", conversation_id)
        return context

    async def _context(
        self,
        session: AsyncSession,
        principal: Principal,
        conversation: StoredConversation,
        item_id: str | None,
        *,
        days: int | None,
    ) -> Context | None:
        scope = Scope.of_organization(principal)
        place = await stored_items.place_below(session, scope, conversation, item_id)
        if place is None:
            return None
        history, project = await self._histories.of(session, scope, place), NO_PROJECT
        if conversation.project_id is not None:
            project = await stored_projects.context(session, principal, conversation.project_id)
        return Context(
            place=place,
            history=history,
            conversation=conversation,
            kept_days=days,
            project=project,
        )
