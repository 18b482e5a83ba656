"""A person's conversations in an archive, as JSON with all branches and as Markdown, and their deletion.

So are the questions that they asked in conversations of other people, each with its answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import tuple_

from aquilon.conversations.archive_words import ARCHIVE_WORDS, ArchiveWords
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.items import (
    CallItem,
    CallOutputItem,
    CompactionItem,
    File,
    Image,
    Item,
    MessageItem,
    ReasoningItem,
    decoded,
)
from aquilon.conversations.runs import Runs
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.tables import StoredConversation, StoredItem, StoredProject, StoredRun
from aquilon.conversations.transfer.imports.storing import DIALECT as IMPORTED
from aquilon.people.personal_data import ArchiveFile, Person, as_json
from aquilon.people.scope import Scope
from aquilon.storage import Database

_AT_ONCE = 50
_PROJECT_COLUMNS = ("id", "name", "instructions", "library_ids", "visibility", "created_at", "updated_at")
_MOST_BYTES = 4 * 2**20
"""Of items that are in memory at once, unless one alone is larger."""


class ConversationData:
    tables = frozenset(
        {
            "conversations",
            "conversation_branches",
            "conversation_items",
            "searched_words",
            "runs",
            "run_events",
            "projects",
        }
    )

    def __init__(self, database: Database, conversations: Conversations, runs: Runs) -> None:
        self._database = database
        self._conversations = conversations
        self._runs = runs

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        scope = person.scope
        async with self._database.reading() as session:
            projects = list(await session.scalars(scope.select(StoredProject).order_by(StoredProject.id)))
        if projects:
            described = [{name: getattr(project, name) for name in _PROJECT_COLUMNS} for project in projects]
            yield ArchiveFile("projects.json", as_json(described))
        last = ""
        while rows := await self._after(person, last):
            for row in rows:
                last = row.id
                path = f"conversations/{_file_name(row)}"
                yield ArchiveFile(f"{path}.json", self._json(row))
                yield ArchiveFile(f"{path}.md", self._markdown(row, ARCHIVE_WORDS[person.language]))
        if await self._asked_elsewhere(person, after=""):
            yield ArchiveFile("questions.jsonl", self._questions_json(person))
            yield ArchiveFile("questions.md", self._questions_markdown(person, ARCHIVE_WORDS[person.language]))

    async def erase(self, person: Person) -> Mapping[str, int]:
        scope, deleted, questions = person.scope, 0, 0
        await self._runs.end_of_person(scope)
        while number := await self._conversations.deletion.delete_of_person(scope):
            deleted += number
        while number := await self._conversations.deletion.delete_questions_of_person(scope):
            questions += number
        async with self._database.writing() as session:
            rows = await session.execute(scope.delete(StoredProject).returning(StoredProject.id))
            projects = len(rows.all())
            await stored_runs.forget_asker(session, scope)
        return {"conversations": deleted, "questions_elsewhere": questions, "projects": projects}

    async def _after(self, person: Person, last: str) -> list[StoredConversation]:
        scope = person.scope
        query = scope.select(StoredConversation).where(StoredConversation.id > last)
        async with self._database.reading() as session:
            return list(await session.scalars(query.order_by(StoredConversation.id).limit(_AT_ONCE)))

    async def _asked_elsewhere(self, person: Person, *, after: str) -> Sequence[StoredRun]:
        async with self._database.reading() as session:
            return await stored_runs.asked_elsewhere(session, person.scope, after=after, most=_AT_ONCE)

    async def _questions(self, person: Person) -> AsyncIterator[tuple[StoredRun, str | None, list[StoredItem]]]:
        """What the person asked in others' conversations: each run, the conversation's title, question and answer."""
        scope, last = Scope(person.organization_id), ""
        while runs := await self._asked_elsewhere(person, after=last):
            for run in runs:
                last = run.id
                titles = scope.select(StoredConversation).where(StoredConversation.id == run.conversation_id)
                async with self._database.reading() as session:
                    title = await session.scalar(titles.with_only_columns(StoredConversation.title))
                    question = await stored_runs.items_of(session, scope, run.id, output=False)
                    answer = await stored_runs.items_of(session, scope, run.id, output=True)
                yield run, title, [*question, *answer]

    async def _questions_json(self, person: Person) -> AsyncIterator[bytes]:
        async for run, title, rows in self._questions(person):
            described = {
                "id": run.id,
                "conversation_id": run.conversation_id,
                "conversation_title": title,
                "model": run.model,
                "status": run.status,
                "created_at": run.created_at,
                "items": [
                    {"id": row.id, "output": row.output, "content": msgspec.Raw(row.content.encode())} for row in rows
                ],
            }
            yield msgspec.json.encode(described) + b"\n"

    async def _questions_markdown(self, person: Person, words: ArchiveWords) -> AsyncIterator[bytes]:
        async for run, title, rows in self._questions(person):
            yield f"# {_one_line(title or run.conversation_id)}\n\n{_day(run.created_at)}\n".encode()
            yield "".join(markdown_of(decoded(row.content), words) for row in rows).encode() + b"\n"

    async def _json(self, conversation: StoredConversation) -> AsyncIterator[bytes]:
        head: dict[str, object] = {
            "id": conversation.id,
            "title": conversation.title,
            "visibility": conversation.visibility,
            "created_at": conversation.created_at,
            "updated_at": conversation.updated_at,
            "head_id": conversation.head_id,
            "metadata": msgspec.Raw(conversation.labels.encode()),
        }
        query = Scope(conversation.organization_id).select(StoredRun).order_by(StoredRun.created_at, StoredRun.id)
        async with self._database.reading() as session:
            runs = await session.execute(
                query.where(StoredRun.conversation_id == conversation.id).with_only_columns(
                    StoredRun.id, StoredRun.model, StoredRun.status, StoredRun.dialect
                )
            )
            head["answers"] = [
                {"id": id_, "model": model, "status": status, "imported": dialect == IMPORTED}
                for id_, model, status, dialect in runs
            ]
        yield msgspec.json.encode(head)[:-1] + b',"items":[\n'
        between = b""
        async for row in self._items(conversation):
            described = {
                "id": row.id,
                "parent_id": row.parent_id,
                "status": row.status,
                "answer": row.run_id,
                "output": row.output,
                "created_at": row.created_at,
                "content": msgspec.Raw(row.content.encode()),
            }
            yield between + msgspec.json.encode(described)
            between = b",\n"
        yield b"\n]}\n"

    async def _items(self, conversation: StoredConversation) -> AsyncIterator[StoredItem]:
        """All items, branch by branch, from the first one on."""
        scope, place = Scope(conversation.organization_id), tuple_(StoredItem.branch, StoredItem.depth)
        last = (-1, -1)
        while True:
            query = scope.select(StoredItem).where(StoredItem.conversation_id == conversation.id, place > last)
            query = query.order_by(StoredItem.branch, StoredItem.depth)
            async with self._database.reading() as session:
                sizes = await session.scalars(query.with_only_columns(stored_items.SIZE).limit(_AT_ONCE))
                rows = list(await session.scalars(query.limit(_fitting(list(sizes)))))
            if not rows:
                return
            for row in rows:
                yield row
                last = (row.branch, row.depth)

    async def _markdown(self, conversation: StoredConversation, words: ArchiveWords) -> AsyncIterator[bytes]:
        """The items from the first one to the present last one."""
        yield f"# {_one_line(conversation.title or conversation.id)}\n\n{_day(conversation.created_at)}\n".encode()
        scope = Scope(conversation.organization_id)
        async with self._database.reading() as session:
            place = await stored_items.place_below(session, scope, conversation, conversation.head_id)
            if place is None:
                return
            parts = await stored_items.segments(session, scope, conversation.id, branch=place.branch, depth=place.depth)
        while parts:
            async with self._database.reading() as session:
                number, _ = await stored_items.fitting(
                    session, scope, conversation.id, parts, upwards=False, limit=_AT_ONCE, most_bytes=_MOST_BYTES
                )
                rows = await stored_items.page_down(session, scope, conversation.id, parts, limit=number)
            if not rows:
                return
            for row in rows:
                yield markdown_of(decoded(row.content), words).encode()
            parts = stored_items.clipped(parts, below=rows[-1].depth)


def markdown_of(item: Item, words: ArchiveWords) -> str:
    """One item under a heading that says whose it is."""
    match item:
        case MessageItem():
            parts = [f"[{_part_name(part, words)}]" for part in item.content if isinstance(part, Image | File)]
            heading = words.speakers.get(item.role, item.role.capitalize())
            return "\n".join(["", f"## {heading}", "", item.text, *parts, ""])
        case ReasoningItem():
            thoughts = (item.summary or item.text).replace("\n", "\n> ")
            return f"\n> {thoughts}\n" if thoughts else ""
        case CallItem():
            call = words.call.format(name=_one_line(item.name))
            return f"\n## {call}\n\n```json\n{item.arguments}\n```\n"
        case CallOutputItem():
            return f"\n## {words.result}\n\n{item.text}\n"
        case CompactionItem():
            return f"\n## {words.summary}\n\n{item.summary}\n"
        case _:
            return f"\n## {_one_line(item.name)}\n"


def _part_name(part: Image | File, words: ArchiveWords) -> str:
    if isinstance(part, Image):
        return words.image if part.url.startswith("data:") else f"{words.image}{words.colon} {part.url}"
    return f"{words.file}{words.colon} {part.name or part.file_id or words.nameless}"


def _fitting(sizes: list[int]) -> int:
    """How many of the first items have at most `_MOST_BYTES` together; one at least."""
    total = 0
    for number, size in enumerate(sizes):
        total += size
        if total > _MOST_BYTES and number:
            return number
    return max(1, len(sizes))


def _file_name(conversation: StoredConversation) -> str:
    words = "".join(character if character.isalnum() else " " for character in conversation.title or "")
    title = " ".join(words.split())[:60].strip()
    return " ".join(filter(None, (_day(conversation.created_at), title, conversation.id)))


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _one_line(text: str) -> str:
    return " ".join(text.split())
