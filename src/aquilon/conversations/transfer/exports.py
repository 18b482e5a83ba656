"""Conversations as files: all branches as JSON, or one path as Markdown, in pieces of bounded size."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import msgspec

from aquilon.conversations.archive_words import ARCHIVE_WORDS, ArchiveWords
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.items import CallItem, CallOutputItem, File, Image, Item, MessageItem, decoded
from aquilon.conversations.store.trees import Skeleton, contents, pieces, skeleton
from aquilon.conversations.tables import StoredConversation, StoredItem
from aquilon.conversations.transfer.document import (
    FORMAT,
    VERSION,
    ExportedAnswer,
    ExportedHead,
    ExportedItem,
    portable,
)
from aquilon.conversations.transfer.imports.tree import cleaned_title
from aquilon.people.archive_readme import Language
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.storage import Database

_AT_ONCE = 100
_UNFIT_FOR_NAMES = re.compile(
    r'[\x00-\x1f\x7f-\x9f"*/:<>?\\|\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+'
)
"""Characters that file systems refuse, or that make a name look like another one."""
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_MOST_NAME_CHARACTERS = 80


def file_name(title: str | None, suffix: str) -> str:
    """A name for the file of a conversation that every file system takes."""
    name = " ".join(_UNFIT_FOR_NAMES.sub(" ", title or "").split())[:_MOST_NAME_CHARACTERS].strip(". ")
    if not name or _DEVICES.fullmatch(name):
        name = f"conversation {name}".strip()
    return f"{name}.{suffix}"


async def as_json(
    database: Database, conversations: Conversations, principal: Principal, conversation_id: str
) -> AsyncGenerator[bytes]:
    """One conversation as a `document`, with all of its branches. Raises ApiError 404 before the first piece."""
    conversation = await conversations.get(principal, conversation_id)
    models = await conversations.models_of_runs(principal, conversation_id)
    askers = await conversations.names_of_askers(principal, conversation_id)
    scope = Scope.of_organization(principal)
    async with database.reading() as session:
        tree = await skeleton(session, scope, conversation_id)
    return _json_pieces(database, scope, conversation, tree, models, askers)


async def _json_pieces(
    database: Database,
    scope: Scope,
    conversation: StoredConversation,
    tree: Skeleton,
    models: dict[str, str],
    askers: dict[str, str],
) -> AsyncGenerator[bytes]:
    answered = list(dict.fromkeys(item.run_id for item in tree.items if item.output and item.run_id is not None))
    head = ExportedHead(
        title=conversation.title,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        metadata=msgspec.json.decode(conversation.labels),
        head=conversation.head_id,
        answers=[
            ExportedAnswer(id=run_id, model=models.get(run_id, ""), asked_by=askers.get(run_id)) for run_id in answered
        ],
    )
    yield (
        (f'{{"format":"{FORMAT}","version":{VERSION},"exported_at":{int(time.time())},"conversations":[\n').encode()
        + msgspec.json.encode(head)[:-1]
        + b',"items":['
    )
    answers, gone = frozenset(answered), dict[str, str | None]()
    separator = b"\n"
    for piece in pieces(tree.items):
        async with database.reading() as session:
            rows = await contents(session, scope, conversation.id, piece)
        written = bytearray()
        for item in piece:
            row, parent_id = rows.get(item.id), tree.parents[item.id]
            while parent_id in gone:
                parent_id = gone[parent_id]
            if row is None:  # deleted since the tree was read: what is below it is below the one above it
                gone[item.id] = parent_id
                continue
            exported = ExportedItem(
                id=row.id,
                parent_id=parent_id,
                created_at=row.created_at,
                complete=row.status == "completed",
                answer=row.run_id if row.run_id in answers else None,
                output=row.output,
                content=portable(decoded(row.content)),
            )
            written += separator + msgspec.json.encode(exported)
            separator = b",\n"
        yield bytes(written)
    yield b"]}\n]}\n"


async def as_markdown(
    conversations: Conversations,
    principal: Principal,
    conversation_id: str,
    *,
    leaf: str | None,
    language: Language = "en",
) -> AsyncGenerator[bytes]:
    """The path to ``leaf``, or to the last item, without thoughts; headings are in ``language``.

    Raises ApiError 404 before the first piece.
    """
    words = ARCHIVE_WORDS[language]
    conversation = await conversations.get(principal, conversation_id)
    models = await conversations.models_of_runs(principal, conversation_id)
    askers = await conversations.names_of_askers(principal, conversation_id)
    first = await conversations.page(principal, conversation_id, leaf=leaf, order="asc", limit=_AT_ONCE)

    async def written() -> AsyncGenerator[bytes]:
        yield _front_matter(conversation, words)
        rows, more = first
        while True:
            for row in rows:
                yield _section(row, models, askers, words).encode("utf-8", "replace")
            if not more or not rows:
                return
            rows, more = await conversations.page(
                principal, conversation_id, leaf=leaf, after=rows[-1].id, order="asc", limit=_AT_ONCE
            )

    return written()


def _front_matter(conversation: StoredConversation, words: ArchiveWords) -> bytes:
    """YAML: JSON's strings are strings there too."""
    title = cleaned_title(conversation.title) or "Conversation"
    lines = [
        "---",
        f"title: {json.dumps(title, ensure_ascii=False)}",
        f"created: {_day(conversation.created_at)}",
        f"updated: {_day(conversation.updated_at)}",
        f"exported: {_day(int(time.time()))}",
        f"note: {json.dumps(words.note, ensure_ascii=False)}",
        "---",
        "",
    ]
    return "\n".join(lines).encode("utf-8", "replace")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _section(row: StoredItem, models: dict[str, str], askers: dict[str, str], words: ArchiveWords) -> str:
    """``models`` and ``askers``: by run, which model answered, and who asked."""
    item = decoded(row.content)
    text = _text(item, words)
    if not text:
        return ""
    role = "assistant" if row.output else _role(item)
    name = words.speakers.get(role, words.speakers["tool"])
    whose = (models if row.output else askers).get(row.run_id or "")
    heading = f"## {name}" + (f" ({cleaned_title(whose)})" if whose else "")
    return f"\n{heading}\n\n{text.rstrip()}\n"


def _role(item: Item) -> str:
    return item.role if isinstance(item, MessageItem) else ""


def _text(item: Item, words: ArchiveWords) -> str:
    """Nothing for thoughts and for what no one reads."""
    match item:
        case MessageItem():
            names = [
                f"[{(part.name or words.file) if isinstance(part, File) else words.image}]"
                for part in item.content
                if isinstance(part, File | Image)
            ]
            return "\n".join([*names, *([item.text] if item.text else [])])
        case CallItem():
            call = words.call.format(name=f"`{cleaned_title(item.name)}`")
            return f"{call}{words.colon}\n\n{_fenced(item.arguments, 'json')}"
        case CallOutputItem():
            return _fenced(item.text, "") if item.text else ""
        case _:
            return ""


def _fenced(text: str, language: str) -> str:
    """A block of code, whose fence is longer than any in it."""
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
