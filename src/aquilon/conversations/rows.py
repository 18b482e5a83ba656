"""The rows of conversations, items and runs, as the parameters of the statements in ``store``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from aquilon.conversations.answer import Answer, partial_items
from aquilon.conversations.items import Item, encoded, search_text
from aquilon.conversations.run import RunEnded, RunEvent, encoded_events
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import search
from aquilon.people.identity import Principal
from aquilon.storage.rows import Row, Write
from aquilon.text.words import words_of


@dataclass(frozen=True, kw_only=True)
class NewConversation:
    """A conversation that is stored with its first run."""

    id: str
    visibility: str
    implicit: bool = True
    title: str | None = None
    named_by_person: bool = False
    labels: str = "{}"
    settings: str = "{}"
    pinned: bool = False
    archived: bool = False
    project_id: str | None = None
    """A project that it may be put into (`projects.require_fitting`)."""


class ItemRows:
    """New items, and the words by which a search finds them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._words: list[Row] = []

    def add(self, id_: str, item: Item, **place: Any) -> None:
        """``place``: as in `item_row`."""
        row = item_row(id_, item, **place)
        self.rows.append(row)
        if words := words_of(search_text(item)):
            self._words.append(_words_row(row["organization_id"], row["conversation_id"], id_, words))

    @property
    def writes(self) -> list[Write]:
        return [
            (stored_items.ADD, self.rows),
            (search.ADD, self._words),
            (search.INDEX_ITEM, [{"item": row["item"]} for row in self._words]),
        ]


def title_writes(organization_id: str, conversation_id: str, title: str | None) -> list[Write]:
    """The words of a conversation's title, in place of those of the former one."""
    key = {"owner": organization_id, "conversation": conversation_id}
    writes: list[Write] = [(search.FORGET_TITLE, [key])]
    if words := words_of(title or ""):
        writes.append((search.ADD, [_words_row(organization_id, conversation_id, None, words)]))
        writes.append((search.INDEX_TITLE, [key]))
    return writes


def _words_row(organization_id: str, conversation_id: str, item_id: str | None, words: str) -> Row:
    return {"owner": organization_id, "conversation": conversation_id, "item": item_id, "new_words": words}


def item_row(
    id_: str,
    item: Item,
    *,
    organization_id: str,
    conversation_id: str,
    parent_id: str | None,
    branch: int,
    depth: int,
    run_id: str | None = None,
    output: bool = False,
    status: str = "completed",
    created_at: int | None = None,
) -> dict[str, Any]:
    """``created_at``: None for now."""
    return {
        "id": id_,
        "organization_id": organization_id,
        "conversation_id": conversation_id,
        "branch": branch,
        "depth": depth,
        "parent_id": parent_id,
        "run_id": run_id,
        "output": output,
        "status": status,
        "content": encoded(item),
        "created_at": int(time.time()) if created_at is None else created_at,
    }


def conversation_row(new: NewConversation, principal: Principal, *, now: int) -> dict[str, Any]:
    return {
        "id": new.id,
        "organization_id": principal.organization_id,
        "workspace_id": principal.workspace_id,
        "user_id": principal.user_id,
        "visibility": new.visibility,
        "implicit": new.implicit,
        "title": new.title,
        "named_by_person": new.named_by_person,
        "labels": new.labels,
        "settings": new.settings,
        "edition": 0,
        "head_id": None,
        "created_at": now,
        "updated_at": now,
        "retention_days": None,
        "expires_at": None,
        "pinned_at": now if new.pinned else None,
        "archived_at": now if new.archived else None,
        "project_id": new.project_id,
    }


def end_row(key: Mapping[str, str], ended: RunEnded, *, model: str, leaf_id: str | None, at: int) -> dict[str, Any]:
    """The parameters of `runs.END`."""
    error = None if ended.error is None else msgspec.json.encode(ended.error).decode()
    return {
        **key,
        "new_status": ended.status,
        "new_reason": ended.reason if ended.status == "incomplete" else None,
        "new_error": error,
        "new_model": model,
        "new_leaf_id": leaf_id,
        "new_prompt_tokens": ended.usage.prompt_tokens,
        "new_cached_tokens": ended.usage.cached_tokens,
        "new_completion_tokens": ended.usage.completion_tokens,
        "new_reasoning_tokens": ended.usage.reasoning_tokens,
        "new_ended_at": at,
    }


def head_row(organization_id: str, conversation_id: str, head_id: str | None) -> dict[str, Any]:
    """The parameters of `conversations.MOVE_HEAD`."""
    return {
        "owner": organization_id,
        "conversation": conversation_id,
        "new_head_id": head_id,
        "changed_at": int(time.time()),
    }


def events_row(run: Mapping[str, str], first: int, events: Sequence[RunEvent]) -> Row:
    return {
        "run_id": run["run"],
        "first": first,
        "organization_id": run["owner"],
        "events": encoded_events(list(events)),
    }


def output_rows(
    answers: Sequence[Answer],
    *,
    run: Mapping[str, str],
    conversation_id: str,
    input_leaf: str | None,
    branches: Sequence[int],
    depth: int,
) -> tuple[ItemRows, str | None]:
    """The rows of a run's answers, each on its branch below the input's last item at ``depth``.

    The second value is the id of the first answer's last item; None if it has no item.
    """
    leaf_id: str | None = None
    rows = ItemRows()
    for choice, (answer, branch) in enumerate(zip(answers, branches, strict=True)):
        parent_id = input_leaf
        for item_depth, item in enumerate(partial_items(answer), depth + 1):
            rows.add(
                item.id,
                item.item,
                organization_id=run["owner"],
                conversation_id=conversation_id,
                parent_id=parent_id,
                branch=branch,
                depth=item_depth,
                run_id=run["run"],
                output=True,
                status=item.status,
            )
            parent_id = item.id
        leaf_id = parent_id if choice == 0 and answer.items else leaf_id
    return rows, leaf_id
