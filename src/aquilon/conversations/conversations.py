"""Conversations as their owners use them: begun, read page by page, added to, changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from msgspec import UNSET, UnsetType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.contexts import Contexts
from aquilon.conversations.deletion import Deletion
from aquilon.conversations.first_words import name_by_question, words_of_question, words_of_stored_question
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import Item
from aquilon.conversations.new_items import require_size, rows_of_new_items
from aquilon.conversations.policies import Policies
from aquilon.conversations.projects import project_not_found, require_fitting, require_owner
from aquilon.conversations.retention import require_days
from aquilon.conversations.rows import NewConversation, conversation_row, head_row, title_writes
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.store.conversations import ALL, Chosen
from aquilon.conversations.store.items import Branch, Place
from aquilon.conversations.store.runs import RunState
from aquilon.conversations.store.siblings import Siblings
from aquilon.conversations.store.siblings import siblings as siblings_of
from aquilon.conversations.tables import StoredConversation, StoredItem, StoredRun
from aquilon.conversations.visible import conversation_in, default_visibility, item_in, place_in
from aquilon.errors import ApiError, invalid
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_feature
from aquilon.people.scope import Scope
from aquilon.people.store import accounts
from aquilon.storage import Database
from aquilon.storage.rows import Row, Write, write, write_in

MOST_PAGE_BYTES = 32 * 2**20
"""Of items in one page, as JSON."""
_TRIES = 8
Order = Literal["asc", "desc"]


@dataclass(frozen=True, kw_only=True)
class ConversationChange:
    title: str | UnsetType | None = UNSET
    named_by_person: bool = True
    """Whether somebody wrote the title."""
    visibility: str | None = None
    """None leaves it as it is."""
    labels: str | None = None
    """JSON, in place of all labels; None leaves them."""
    pinned: bool | None = None
    archived: bool | None = None
    project_id: str | UnsetType | None = UNSET
    """None takes it out of its project."""
    head_id: str | None = None
    """The item that the next one is added below; None leaves the head where it is."""


@dataclass(frozen=True)
class Asker:
    """Who asked a question, to somebody else."""

    id: str
    name: str | None
    """None for a person who has no account any more."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What belongs to a page of a path."""

    siblings: Mapping[str, Siblings]
    """By item."""
    runs: Sequence[RunState]
    """Those that the items belong to, and the conversation's open ones."""
    askers: Mapping[str, Asker]
    """By run, who asked it if that isn't the reader; empty where one person alone has asked."""


class Conversations:
    def __init__(self, database: Database, histories: Histories, deletion: Deletion | None = None) -> None:
        """``deletion``: None where no conversation has documents."""
        self._database = database
        self._histories = histories
        self._policies = Policies(database)
        self.contexts = Contexts(database, histories)
        self.deletion = deletion or Deletion(database, histories)

    async def kept_days(self, principal: Principal) -> int | None:
        """For how many days the organization's conversations are kept: 0 if none is stored, None for ever."""
        return await self._policies.days_of(principal.organization_id)

    async def require_kept(self, principal: Principal) -> None:
        """Raises ApiError 400 if the organization keeps no conversations."""
        if await self.kept_days(principal) == 0:
            raise invalid(
                "This organization keeps no conversations: send the whole conversation with each request",
                code="conversations_not_kept",
            )

    async def create(self, principal: Principal, new: NewConversation, items: Sequence[Item]) -> StoredConversation:
        """Store a conversation with its first items; without a title, their first question names it.

        Raises ApiError 400 for items that are too many or too large, and if the organization keeps no conversations;
        400 or 404 for a project that it can't be put into; 403 for a person's that the workspace would see, where
        they may share none.
        """
        require_size(items)
        if new.visibility == "workspace" != default_visibility(principal):
            require_feature(principal, "sharing")
        await self.require_kept(principal)
        if new.title is None and not new.implicit:
            new = replace(new, title=words_of_question(items))
        if new.project_id is not None:
            async with self._database.reading() as session:
                await require_fitting(
                    session,
                    principal,
                    new.project_id,
                    visibility=new.visibility,
                    workspace_id=principal.workspace_id,
                )
        place = Place.in_new(new.id)
        rows, head_id = rows_of_new_items(items, place, principal, branch=0)
        branch = {"organization_id": principal.organization_id, "conversation_id": new.id}
        writes: list[Write] = [
            (stored_conversations.ADD, [conversation_row(new, principal, now=int(time.time()))]),
            (stored_conversations.ADD_BRANCH, [{**branch, "number": 0, "parent": None, "forked_at": -1}]),
            *rows.writes,
            (
                stored_conversations.MOVE_HEAD,
                [head_row(principal.organization_id, new.id, head_id)],
            ),
        ]
        if new.title is not None:
            writes += title_writes(principal.organization_id, new.id, new.title)
        try:
            await write(self._database, [(statement, rows) for statement, rows in writes if rows])
        except IntegrityError:  # all other ids are new
            if new.project_id is None:
                raise
            raise project_not_found(new.project_id) from None
        return await self.get(principal, new.id)

    async def add(
        self, principal: Principal, conversation_id: str, items: Sequence[Item], *, below: str | None = None
    ) -> Sequence[StoredItem]:
        """Add items at the head, or below another item: on a branch, if something is below it already.

        Raises ApiError: 400 for items that are too many or too large, 404 for an unknown conversation or item, 409 if
        too many others write to it.
        """
        require_size(items)
        scope = Scope.of_organization(principal)
        await self.require_kept(principal)
        for _ in range(_TRIES):
            async with self._database.reading() as session:
                place = await place_in(session, principal, conversation_id, below)
            new_branches = list[Row]()
            branch = place.branch if place.free else place.branches
            if not place.free:
                key = {"organization_id": principal.organization_id, "conversation_id": conversation_id}
                row = {**key, "number": branch, "parent": place.branch, "forked_at": place.depth}
                new_branches.append(row)
            rows, head_id = rows_of_new_items(items, place, principal, branch=branch)
            head = head_row(principal.organization_id, conversation_id, head_id)
            writes: list[Write] = [
                (stored_conversations.MOVE_HEAD_OF_PLACE, [head | {"place_edition": place.edition}]),
                (stored_conversations.ADD_BRANCH, new_branches),
                *rows.writes,
            ]
            try:
                await write(self._database, writes)
            except IntegrityError:
                continue
            if head_id is not None:
                self._histories.grow(
                    place, items, leaf_id=head_id, more_bytes=sum(len(row["content"]) for row in rows.rows)
                )
            await self._name_by(principal, conversation_id, items)
            async with self._database.reading() as session:
                ids = [row["id"] for row in rows.rows]
                added = await session.scalars(scope.select(StoredItem).where(StoredItem.id.in_(ids)))
                return sorted(added, key=lambda item: item.depth)
        raise ApiError(
            409,
            "invalid_request_error",
            "Too many others write to this conversation now: send the request again",
            code="conversation_busy",
        )

    async def _name_by(self, principal: Principal, conversation_id: str, items: Sequence[Item]) -> None:
        """A conversation without a title is named by its first question, which may be among these items."""
        if words_of_question(items) is None or (await self.get(principal, conversation_id)).title is not None:
            return
        async with self._database.writing() as session:
            conversation = await conversation_in(session, principal, conversation_id)
            await name_by_question(session, Scope.of_organization(principal), conversation)

    async def get(self, principal: Principal, conversation_id: str) -> StoredConversation:
        """Raises ApiError 404."""
        async with self._database.reading() as session:
            return await conversation_in(session, principal, conversation_id)

    async def item(self, principal: Principal, conversation_id: str, item_id: str) -> StoredItem:
        """Raises ApiError 404."""
        async with self._database.reading() as session:
            await conversation_in(session, principal, conversation_id)
            return await item_in(session, principal, conversation_id, item_id)

    async def last_below(self, principal: Principal, conversation_id: str, item_id: str) -> str:
        """The end of the latest path through an item. Raises ApiError 404."""
        async with self._database.reading() as session:
            await conversation_in(session, principal, conversation_id)
            item = await item_in(session, principal, conversation_id, item_id)
            return await stored_items.last_below(session, Scope.of_organization(principal), item)

    async def surroundings(
        self, principal: Principal, conversation_id: str, rows: Sequence[StoredItem]
    ) -> Surroundings:
        """Of a page of a path, which the caller may see. ``rows``: in either order."""
        scope = Scope.of_organization(principal)
        downwards = sorted(rows, key=lambda row: row.depth)
        async with self._database.reading() as session:
            siblings: Mapping[str, Siblings] = {}
            if downwards:
                last = downwards[-1]
                parts = await stored_items.segments(
                    session, scope, conversation_id, branch=last.branch, depth=last.depth
                )
                siblings = await siblings_of(session, scope, conversation_id, parts, downwards)
            run_ids = {row.run_id for row in rows if row.run_id is not None}
            runs = await stored_runs.states(session, scope, conversation_id, run_ids)
            askers = await self._askers(session, principal, conversation_id, runs)
        return Surroundings(siblings=siblings, runs=runs, askers=askers)

    async def _askers(
        self, session: AsyncSession, principal: Principal, conversation_id: str, runs: Sequence[RunState]
    ) -> dict[str, Asker]:
        asked = {run.id: run.asked_by for run in runs if run.asked_by is not None}
        people, scope = set(asked.values()), Scope.of_organization(principal)
        others = people - {principal.user_id}
        if not others:
            return {}
        if len(people) == 1 and not await stored_runs.others_asked(session, scope, conversation_id, *people):
            return {}
        names = await accounts.names_of(session, scope, others)
        return {run_id: Asker(id_, names.get(id_)) for run_id, id_ in asked.items() if id_ in others}

    async def page(
        self,
        principal: Principal,
        conversation_id: str,
        *,
        leaf: str | None = None,
        after: str | None = None,
        order: Order = "desc",
        limit: int,
    ) -> tuple[Sequence[StoredItem], bool]:
        """A page of the path to the head, or to ``leaf``, and whether there are more: one with large items is shorter.

        Raises ApiError 404, and 400 if ``after`` is on another branch.
        """
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            place = await place_in(session, principal, conversation_id, leaf)
        last = None if after is None else await self.item(principal, conversation_id, after)
        after_depth = None if last is None else last.depth
        async with self._database.reading() as session:
            parts = await stored_items.segments(session, scope, conversation_id, branch=place.branch, depth=place.depth)
            if last is not None and not any(
                part.branch == last.branch and part.above < last.depth <= part.depth for part in parts
            ):
                raise invalid(f"The item '{last.id}' is on another branch", param="after", code="item_elsewhere")
            upwards = order == "desc"
            parts = stored_items.clipped(
                parts, above=after_depth if upwards else None, below=None if upwards else after_depth
            )
            number, cut = await stored_items.fitting(
                session, scope, conversation_id, parts, upwards=upwards, limit=limit + 1, most_bytes=MOST_PAGE_BYTES
            )
            page = stored_items.page_up if upwards else stored_items.page_down
            rows = await page(session, scope, conversation_id, parts, limit=number)
        return rows[:limit], cut or len(rows) > limit

    async def branches(
        self, principal: Principal, conversation_id: str, *, after: int, limit: int
    ) -> tuple[Sequence[Branch], bool]:
        """The branches with a number above ``after``, and whether there are more. Raises ApiError 404."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            await conversation_in(session, principal, conversation_id)
            rows = await stored_items.branches(session, scope, conversation_id, after=after, limit=limit + 1)
        return rows[:limit], len(rows) > limit

    async def latest_first(
        self,
        principal: Principal,
        *,
        chosen: Chosen = ALL,
        after: str | None = None,
        offset: int = 0,
        limit: int,
        settings: bool = False,
    ) -> tuple[Sequence[StoredConversation], bool]:
        """A page of the caller's conversations, and whether there are more. ``settings``: with what a dialect keeps.

        Raises ApiError 404 for ``after``.
        """
        async with self._database.reading() as session:
            last = None if after is None else await conversation_in(session, principal, after)
            rows = await stored_conversations.latest_first(
                session, principal, chosen=chosen, after=last, offset=offset, limit=limit + 1, settings=settings
            )
        return rows[:limit], len(rows) > limit

    async def change(
        self, principal: Principal, conversation_id: str, change: ConversationChange
    ) -> StoredConversation:
        """None of this moves it in the list of the latest changes.

        Raises ApiError 404, 403 for a visibility that is not the caller's to change or that the organization keeps
        from them, and 400 for a project that not all who see the conversation see.
        """
        moves = change.project_id is not UNSET  # into a project that somebody may be deleting
        async with self._database.writing(alone=moves) as session:
            conversation = await conversation_in(session, principal, conversation_id)
            visibility = change.visibility or conversation.visibility
            project_id = conversation.project_id if change.project_id is UNSET else change.project_id
            if visibility != conversation.visibility:
                require_owner(principal, conversation, "conversation")
                if visibility == "workspace":
                    require_feature(principal, "sharing")
            if project_id is not None and (visibility, project_id) != (
                conversation.visibility,
                conversation.project_id,
            ):
                await require_fitting(
                    session, principal, project_id, visibility=visibility, workspace_id=conversation.workspace_id
                )
            conversation.visibility, conversation.project_id = visibility, project_id
            if change.title is not UNSET:
                conversation.title, conversation.named_by_person = change.title, change.named_by_person
                await write_in(session, title_writes(principal.organization_id, conversation_id, change.title))
                await name_by_question(session, Scope.of_organization(principal), conversation)
            if change.labels is not None:
                conversation.labels = change.labels
            if change.head_id is not None:
                await item_in(session, principal, conversation_id, change.head_id)
                conversation.head_id = change.head_id
            now = int(time.time())
            if change.pinned is not None and change.pinned != (conversation.pinned_at is not None):
                conversation.pinned_at = now if change.pinned else None
            if change.archived is not None and change.archived != (conversation.archived_at is not None):
                conversation.archived_at = now if change.archived else None
        return conversation

    async def is_named_by_question(self, principal: Principal, conversation: StoredConversation) -> bool:
        """Whether its title is only the beginning of its first question: no model has made one."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            return conversation.title == await words_of_stored_question(session, scope, conversation.id)

    async def models_of_runs(self, principal: Principal, conversation_id: str) -> dict[str, str]:
        """By run, the model that answered. The caller has checked that the conversation may be seen."""
        async with self._database.reading() as session:
            return await stored_runs.models(session, Scope.of_organization(principal), conversation_id)

    async def names_of_askers(self, principal: Principal, conversation_id: str) -> dict[str, str]:
        """By run, the name of who asked, where several people have asked and the person still has an account.

        The caller has checked that the conversation may be seen.
        """
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            asked = await stored_runs.askers(session, scope, conversation_id)
            people = set(asked.values())
            names = await accounts.names_of(session, scope, people) if len(people) > 1 else {}
        return {run_id: names[user_id] for run_id, user_id in asked.items() if user_id in names}

    async def set_retention(self, principal: Principal, conversation_id: str, days: int | None) -> StoredConversation:
        """Keep a conversation for this many days after its last change; None for as long as the organization does.

        The organization's rule holds if that is shorter. Raises ApiError 400 or 404.
        """
        require_days(days, least=1, param="retention_days")
        scope = Scope.of_organization(principal)
        async with self._database.writing() as session:
            await conversation_in(session, principal, conversation_id)
            await stored_conversations.set_retention(session, scope, conversation_id, days)
        return await self.get(principal, conversation_id)

    async def latest_models(self, principal: Principal, conversation_ids: Sequence[str]) -> dict[str, str]:
        """By conversation, the model that answered last. The caller has checked that they may be seen."""
        async with self._database.reading() as session:
            return await stored_runs.latest_models(session, Scope.of_organization(principal), conversation_ids)

    async def in_project(self, principal: Principal, project_id: str, *, most: int) -> Sequence[str]:
        """The ids of some of a project's conversations that the caller may see."""
        async with self._database.reading() as session:
            return await stored_conversations.in_project(session, principal, project_id, most=most)

    async def items_of_run(self, run: StoredRun, *, output: bool) -> Sequence[StoredItem]:
        """The input or output of a run that the caller may see, in order."""
        async with self._database.reading() as session:
            return await stored_runs.items_of(session, Scope(run.organization_id), run.id, output=output)

    async def items_by_id(self, principal: Principal, ids: Sequence[str]) -> dict[str, Item]:
        """Those of these items that the caller may see."""
        async with self._database.reading() as session:
            return await stored_conversations.items_by_id(session, principal, ids)
