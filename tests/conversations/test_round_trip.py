"""A conversation that was exported and imported again is the same, on both databases."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from aquilon.conversations import administration
from aquilon.conversations.conversations import ConversationChange, Conversations
from aquilon.conversations.transfer import exports
from aquilon.conversations.transfer.document import Document, ExportedConversation
from aquilon.conversations.transfer.imports.imports import ImportReport, Imports
from aquilon.errors import ApiError
from aquilon.people.identity import Principal
from aquilon.storage import Database

HOUR = 3600
BEGAN = 1_700_000_000


def text(role: str, words: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "text", "text": words}]}


ITEMS: list[tuple[str, str | None, str | None, bool, dict[str, Any]]] = [
    ("a", None, "one", False, text("user", "Green or black? \u202e \x00 \x1b")),
    ("b", "a", "one", True, {"type": "reasoning", "text": "Hm", "signature": "s"}),
    ("c", "b", "one", True, text("assistant", "Green.")),
    ("d", "b", "two", True, text("assistant", "Black.")),
    ("e", "c", None, False, text("user", "y" * 2**20)),
    ("f", None, None, False, text("user", "Another beginning")),
    ("g", "d", None, True, {"type": "call", "call_id": "1", "name": "time", "arguments": "{}"}),
    ("h", "g", None, False, {"type": "call_output", "call_id": "1", "output": [{"type": "text", "text": "noon"}]}),
    ("i", "a", None, False, {"type": "other", "name": "web_search_call", "body": {"q": ["x"]}}),
    ("j", "h", None, False, {"type": "compaction", "summary": "Tea"}),
]


def document(items: list[Any] = ITEMS, **more: Any) -> bytes:
    conversation = {
        "title": "Tea",
        "created_at": BEGAN,
        "updated_at": BEGAN + HOUR,
        "metadata": {"for": "test"},
        "head": "d",
        "answers": [{"id": "one", "model": "m-1"}, {"id": "two", "model": "m-2"}],
        "items": [
            {
                "id": id_,
                "parent_id": parent,
                "created_at": BEGAN + number,
                "complete": id_ != "d",
                "answer": answer,
                "output": output,
                "content": content,
            }
            for number, (id_, parent, answer, output, content) in enumerate(items)
        ],
        **more,
    }
    return msgspec.json.encode({"format": "aquilon.conversations", "version": 1, "conversations": [conversation]})


async def imported(database: Database, conversations: Conversations, person: Principal, data: bytes) -> ImportReport:
    with ThreadPoolExecutor(1) as executor:
        return await Imports(database, conversations).run(person, data, executor)


async def exported(database: Database, conversations: Conversations, person: Principal, id_: str) -> bytes:
    return b"".join([piece async for piece in await exports.as_json(database, conversations, person, id_)])


def without_ids(data: bytes) -> ExportedConversation:
    """The conversation of an export, its ids numbered in their order."""
    [raw] = msgspec.json.decode(data, type=Document).conversations
    conversation = msgspec.json.decode(raw, type=ExportedConversation)
    names = {item.id: str(number) for number, item in enumerate(conversation.items)}
    answers = {answer.id: str(number) for number, answer in enumerate(conversation.answers)}
    return msgspec.structs.replace(
        conversation,
        head=names.get(conversation.head or ""),
        answers=[msgspec.structs.replace(one, id=answers[one.id]) for one in conversation.answers],
        items=[
            msgspec.structs.replace(
                item,
                id=names[item.id],
                parent_id=names.get(item.parent_id or ""),
                answer=answers.get(item.answer or ""),
            )
            for item in conversation.items
        ],
    )


async def test_export_import_export_is_the_identity(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    report = await imported(database, conversations, person, document())
    [one] = report.imported
    assert (one.title, one.messages, one.detached, report.skipped) == ("Tea", len(ITEMS), 0, [])
    first = await exported(database, conversations, person, one.id)
    again = await imported(database, conversations, person, first)
    second = await exported(database, conversations, person, again.imported[0].id)
    assert without_ids(second) == without_ids(first)
    conversation = without_ids(first)
    assert {item.created_at for item in conversation.items} == {BEGAN + number for number in range(len(ITEMS))}
    assert (conversation.created_at, conversation.updated_at) == (BEGAN, BEGAN + HOUR)
    assert [answer.model for answer in conversation.answers] == ["m-1", "m-2"]
    contents = {msgspec.json.encode(item.content) for item in conversation.items}
    assert contents == {msgspec.json.encode(content) for *_, content in ITEMS}


async def test_a_file_that_is_imported_again_makes_no_doubles_until_its_conversation_is_deleted(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    both = await asyncio.gather(*(imported(database, conversations, person, document()) for _ in range(2)))
    [one] = [*both[0].imported, *both[1].imported]
    await conversations.change(person, one.id, ConversationChange(title="Renamed"))
    again = await imported(database, conversations, person, document())
    assert [skipped.code for skipped in (*both[0].skipped, *both[1].skipped, *again.skipped)] == [
        "already_imported"
    ] * 2

    changed = [*ITEMS[:-1], ("j", "h", None, False, text("user", "More"))]
    other = await imported(database, conversations, person, document(changed))
    colleague = await imported(database, conversations, replace(person, user_id="user_other"), document())
    assert len({one.id, other.imported[0].id, colleague.imported[0].id}) == 3

    await conversations.deletion.delete(person, one.id)
    assert [each.id for each in (await imported(database, conversations, person, document())).imported] == [one.id]


async def test_an_imported_conversation_is_read_and_goes_on_as_any_other(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    [one] = (await imported(database, conversations, person, document())).imported
    stored = await conversations.get(person, one.id)
    assert (stored.visibility, stored.implicit) == ("user", False)
    rows, more = await conversations.page(person, one.id, order="asc", limit=10)
    assert not more
    assert [row.status for row in rows] == ["completed", "completed", "incomplete"]
    models = await conversations.models_of_runs(person, one.id)
    assert models[rows[-1].run_id or ""] == "m-2"
    with pytest.raises(ApiError):
        await conversations.get(replace(person, user_id="user_other"), one.id)


async def test_what_is_older_than_the_organization_keeps_is_skipped(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    await administration.set_retention(database, person, 30)
    report = await imported(database, conversations, person, document())
    assert report.imported == []
    assert [(one.code, one.title) for one in report.skipped] == [("too_old", "Tea")]


async def test_a_conversation_with_one_item_too_large_is_skipped_as_a_whole(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    items = [*ITEMS, ("k", "j", None, False, text("user", "z" * (8 * 2**20)))]
    report = await imported(database, conversations, person, document(items))
    assert [one.code for one in report.skipped] == ["message_too_large"]
    rows, _ = await conversations.latest_first(person, limit=10)
    assert rows == []


async def test_markdown_has_the_path_with_its_models_and_no_thoughts(
    database: Database, conversations: Conversations, person: Principal
) -> None:
    title = 'Tea: "green"\n---\nevil: true'
    [one] = (await imported(database, conversations, person, document(title=title))).imported
    pieces = await exports.as_markdown(conversations, person, one.id, leaf=None)
    markdown = b"".join([piece async for piece in pieces]).decode()
    assert re.sub(r"exported: .*", "exported: …", markdown).split("---\n")[1] == (
        'title: "Tea: \\"green\\" --- evil: true"\ncreated: 2023-11-14T22:13:20Z\nupdated: 2023-11-14T23:13:20Z\n'
        'exported: …\nnote: "The answers were written by a machine."\n'
    )
    assert re.findall(r"^## .*", markdown, re.M) == ["## User", "## Assistant (m-2)"]
    assert "Black." in markdown
    assert "Hm" not in markdown
    french = await exports.as_markdown(conversations, person, one.id, leaf=None, language="fr")
    markdown = b"".join([piece async for piece in french]).decode()
    assert 'note: "Une machine a écrit les réponses."' in markdown
    assert re.findall(r"^## .*", markdown, re.M) == ["## Utilisateur", "## Assistant (m-2)"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        (None, "conversation.md"),
        ("Été à Gand", "Été à Gand.md"),
        ("../../etc/passwd", "etc passwd.md"),
        ('a"b\r\nset-cookie: x', "a b set-cookie x.md"),
        ("con", "conversation con.md"),
        ("..", "conversation.md"),
        ("\u202egnp.exe", "gnp.exe.md"),
        ("x" * 500, "x" * 80 + ".md"),
    ],
)
def test_a_file_is_named_for_its_title_as_every_system_takes_it(title: str | None, name: str) -> None:
    assert exports.file_name(title, "md") == name
