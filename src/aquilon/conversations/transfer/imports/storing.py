"""Stores an imported conversation: all of it, in one transaction, or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import time
from concurrent.futures import Executor
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.items import MOST_ITEM_BYTES, PREFIXES, encoded, require_shallow
from aquilon.conversations.retention import DAY
from aquilon.conversations.rows import ItemRows, NewConversation, conversation_row, head_row, title_writes
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.transfer.imports.tree import ImportRefused, Tree, laid_out
from aquilon.conversations.visible import default_visibility
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.storage import Database
from aquilon.storage.rows import Row, Write, write

MOST_ITEMS = 20_000
DIALECT = "import"
"""Of the runs that stand for imported answers: no contract reads them."""


async def store(
    database: Database,
    conversations: Conversations,
    principal: Principal,
    tree: Tree,
    *,
    once: bool = False,
    executor: Executor | None = None,
) -> str:
    """Store a conversation with its branches, times and models; returns its id. ``executor``: prepares its rows.

    ``once``: a person has the same conversation of a file only once in a workspace.

    Raises ImportRefused for one that can't be stored, and ApiError 400 if the organization keeps no conversations.
    """
    await conversations.require_kept(principal)
    days = await conversations.kept_days(principal)
    loop = asyncio.get_running_loop()
    id_ = await loop.run_in_executor(executor, _id_of, tree, principal) if once else new_id("conv")
    if once and await _is_there(conversations, principal, id_):
        raise _already_imported()
    try:
        await write(database, await loop.run_in_executor(executor, _writes, tree, principal, id_, days))
    except IntegrityError:
        if once and await _is_there(conversations, principal, id_):  # the same file was imported at the same moment
            raise _already_imported() from None
        raise
    return id_


def _id_of(tree: Tree, principal: Principal) -> str:
    """The same for the same conversation, person and workspace, in the form of `new_id`."""
    owner = (principal.organization_id, principal.workspace_id, principal.user_id, default_visibility(principal))
    digest = hashlib.sha256(msgspec.json.encode((*owner, tree.title, tree.created_at, tree.updated_at, tree.head)))
    for node in tree.nodes:
        place = (node.id, node.parent_id, node.created_at, node.answer, node.output, node.complete)
        digest.update(msgspec.json.encode((*place, encoded(node.item))))
    milliseconds = 1000 * _time(tree.created_at, int(time.time()), otherwise=0)
    return f"conv_{milliseconds:012x}{digest.hexdigest()[:16]}"


def _already_imported() -> ImportRefused:
    return ImportRefused("It was imported before, and is still here", code="already_imported")


async def _is_there(conversations: Conversations, principal: Principal, id_: str) -> bool:
    try:
        await conversations.get(principal, id_)
    except ApiError:
        return False
    return True


def _writes(tree: Tree, principal: Principal, id_: str, days: int | None) -> list[Write]:
    """The rows of a conversation. ``days``: how long the organization keeps one after its last change."""
    now = int(time.time())
    created_at = _time(tree.created_at, now, otherwise=now)
    updated_at = max(created_at, _time(tree.updated_at, now, otherwise=created_at))
    if days is not None and updated_at + days * DAY <= now:
        raise ImportRefused(
            f"Its last change is older than the {days} days for which this organization keeps conversations",
            code="too_old",
        )
    _require_size(tree)
    new = NewConversation(
        id=id_,
        visibility=default_visibility(principal),
        implicit=False,
        title=tree.name,
        labels=msgspec.json.encode(tree.metadata).decode(),
    )
    placed, forks = laid_out(tree.nodes)
    organization = principal.organization_id
    run_ids = {node.answer: new_id("run") for node in tree.nodes if node.output and node.answer is not None}
    rows, item_ids, ends = ItemRows(), dict[str, str](), dict[str, tuple[str, int]]()
    for place in placed:
        node = place.node
        item_ids[node.id] = new_id(PREFIXES[type(node.item)])
        run_id = run_ids.get(node.answer or "")
        at = _time(node.created_at, now, otherwise=created_at)
        if run_id is not None:
            ends[run_id] = item_ids[node.id], at
        rows.add(
            item_ids[node.id],
            node.item,
            organization_id=organization,
            conversation_id=id_,
            parent_id=None if node.parent_id is None else item_ids[node.parent_id],
            branch=place.branch,
            depth=place.depth,
            run_id=run_id,
            output=node.output,
            status="completed" if node.complete else "incomplete",
            created_at=at,
        )
    head = item_ids.get(tree.head or "", item_ids[placed[-1].node.id] if placed else None)
    owner = {"organization_id": organization, "conversation_id": id_}
    writes: list[Write] = [
        (stored_conversations.ADD, [conversation_row(new, principal, now=created_at)]),
        (
            stored_conversations.ADD_BRANCH,
            [{**owner, "number": fork.number, "parent": fork.parent, "forked_at": fork.forked_at} for fork in forks],
        ),
        *rows.writes,
        (
            stored_runs.ADD,
            [
                _run_row(run_id, owner, ends[run_id], model=tree.models.get(answer, ""))
                for answer, run_id in run_ids.items()
            ],
        ),
        (stored_conversations.MOVE_HEAD, [head_row(organization, id_, head) | {"changed_at": updated_at}]),
    ]
    if new.title is not None:
        writes += title_writes(organization, id_, new.title)
    return [(statement, rows) for statement, rows in writes if rows]


def _require_size(tree: Tree) -> None:
    if len(tree.nodes) > MOST_ITEMS:
        raise ImportRefused(f"It has {len(tree.nodes):,} messages, more than {MOST_ITEMS:,}", code="too_many_messages")
    for number, node in enumerate(tree.nodes, 1):
        content = encoded(node.item)
        if len(content) > MOST_ITEM_BYTES:
            raise ImportRefused(
                f"Message {number} has {len(content):,} bytes, more than {MOST_ITEM_BYTES:,}", code="message_too_large"
            )
        try:
            require_shallow(content, "content")
        except ApiError as error:
            raise ImportRefused(f"Message {number}: {error.message}", code="too_deep") from error


def _time(at: int | None, now: int, *, otherwise: int) -> int:
    """A time of a file, which can't be later than now."""
    return otherwise if at is None else max(0, min(at, now))


def _run_row(id_: str, owner: Row, end: tuple[str, int], *, model: str) -> Row:
    """An answer that was written elsewhere: nothing was used or billed for it here. ``end``: its last item and time."""
    leaf_id, at = end
    nothing: dict[str, Any] = dict.fromkeys(
        ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"), 0
    )
    return {
        "id": id_,
        **owner,
        "process_id": None,
        "dialect": DIALECT,
        "model": model,
        "body": "{}",
        "labels": "{}",
        "background": False,
        "status": "completed",
        "reason": None,
        "error": None,
        "leaf_id": leaf_id,
        **nothing,
        "unbilled": None,
        "cancelling": False,
        "created_at": at,
        "ended_at": at,
        "asked_by": None,
        "request_id": None,
    }
