"""Pairs of answers to one question, of which a person preferred one: for training by preferences (DPO).

Only judgements are used whose person agreed to it, in conversations that this person alone sees.
The preferred answer was rated up; the other one answers the same question, below the same
messages, and was rated down, or is whole and was not rated. Imported answers are in no pair: their
models belong to others.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aquilon.chat.settings import stored as stored_settings
from aquilon.chat.store import feedback as stored_feedback
from aquilon.conversations.items import Item, MessageItem, ReasoningItem, Text, decoded, encoded
from aquilon.conversations.store.trees import contents, pieces, skeleton
from aquilon.conversations.transfer.imports.storing import DIALECT as IMPORTED
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database

PairFormat = Literal["openai", "trl"]
_AT_ONCE = 100
_MOST_CHARACTERS = 32 * 2**20
"""A larger conversation is left out."""
Message = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    prompt: list[Message]
    chosen: str
    rejected: str

    def as_row(self, format: PairFormat) -> dict[str, Any]:
        """A line for OpenAI's preference fine-tuning, or for TRL's trainers (its conversational form)."""
        chosen, rejected = ([{"role": "assistant", "content": text}] for text in (self.chosen, self.rejected))
        if format == "openai":
            return {
                "input": {"messages": self.prompt, "tools": [], "parallel_tool_calls": True},
                "preferred_output": chosen,
                "non_preferred_output": rejected,
            }
        return {"prompt": self.prompt, "chosen": chosen, "rejected": rejected}


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


@dataclass
class _Answer:
    question: bytes
    """A digest of all messages above it."""
    parent_id: str | None
    branch: int
    text: str = ""
    usable: bool = True
    """Whether it is text alone."""


@dataclass
class _Tree:
    items: dict[str, Item] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    digests: dict[str | None, bytes] = field(default_factory=lambda: {None: b""})
    answers: dict[str, _Answer] = field(default_factory=dict)
    """By run."""


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
    return list(_pairs(tree, [run_id for run_id, _ in ended if run_id in tree.answers], liked, others))


async def _read(session: Any, scope: Scope, conversation_id: str) -> _Tree:
    found, tree = await skeleton(session, scope, conversation_id), _Tree()
    if sum(item.size for item in found.items) > _MOST_CHARACTERS:
        return tree
    tree.parents = found.parents
    for piece in pieces(found.items):
        rows = await contents(session, scope, conversation_id, piece)
        for place in piece:
            if place.id not in rows:
                return _Tree()  # it is being deleted
            item = tree.items[place.id] = decoded(rows[place.id].content)
            above = tree.digests[found.parents[place.id]]
            tree.digests[place.id] = above if isinstance(item, ReasoningItem) else _digest(above, item)
            if place.output and place.run_id is not None:
                answer = tree.answers.setdefault(
                    place.run_id, _Answer(question=above, parent_id=found.parents[place.id], branch=place.branch)
                )
                if place.branch == answer.branch:
                    _extend(answer, item)
    return tree


def _extend(answer: _Answer, item: Item) -> None:
    if isinstance(item, MessageItem) and _is_text(item):
        answer.text = f"{answer.text}\n\n{item.text}" if answer.text else item.text
    elif not isinstance(item, ReasoningItem):
        answer.usable = False


def _pairs(tree: _Tree, runs: list[str], liked: set[str], others: set[str]) -> Iterator[PreferencePair]:
    by_question: dict[bytes, list[str]] = {}
    for run_id in runs:
        by_question.setdefault(tree.answers[run_id].question, []).append(run_id)
    for siblings in by_question.values():
        for run_id in siblings:
            chosen = tree.answers[run_id]
            if run_id not in liked or not chosen.usable or not chosen.text:
                continue
            prompt = _prompt(tree.items, tree.parents, chosen.parent_id)
            for other_id in siblings:
                rejected = tree.answers[other_id]
                if other_id in others and prompt and rejected.usable and rejected.text not in ("", chosen.text):
                    yield PreferencePair(prompt=prompt, chosen=chosen.text, rejected=rejected.text)


def _prompt(items: Mapping[str, Item], parents: Mapping[str, str | None], leaf: str | None) -> list[Message]:
    """The messages down to this item; none if they are not text alone, as with pictures or calls."""
    messages: list[Message] = []
    while leaf is not None:
        item = items[leaf]
        if isinstance(item, MessageItem) and _is_text(item):
            messages.append({"role": item.role, "content": item.text})
        elif not isinstance(item, ReasoningItem):
            return []
        leaf = parents[leaf]
    return messages[::-1]


def _is_text(item: MessageItem) -> bool:
    return all(isinstance(part, Text) for part in item.content)


def _digest(above: bytes, item: Item) -> bytes:
    content = f"{item.role}\n{item.text}" if isinstance(item, MessageItem) and _is_text(item) else encoded(item)
    return hashlib.sha256(above + content.encode()).digest()
