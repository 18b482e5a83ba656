"""Our own format of exported conversations, version 1: JSON that any program can read.

    {"format": "aquilon.conversations", "version": 1, "exported_at": …, "conversations": [
      {"title": …, "created_at": …, "updated_at": …, "metadata": {…}, "head": ID,
       "answers": [{"id": ID, "model": NAME, "asked_by": NAME}],
       "items": [{"id": ID, "parent_id": ID or null, "created_at": …, "complete": …,
                  "answer": ID or null, "output": …, "content": {"type": "message", …}}]}]}

Each item stands behind its parent; several items below one parent are branches, the first one
of them the oldest. ``head`` is the item below which the conversation goes on. ``answer`` is the
same for a question and all that a model wrote to it; ``output`` says which of them the model
wrote. ``asked_by`` is there only where several people asked. Times are whole seconds since 1970.
Later versions may add fields; readers ignore those that they don't know.
"""

from __future__ import annotations

import msgspec

from aquilon.conversations.items import CallOutputItem, File, Item, MessageItem, Part, Text

FORMAT = "aquilon.conversations"
VERSION = 1


class ExportedItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    parent_id: str | None
    created_at: int | None = None
    complete: bool = True
    answer: str | None = None
    output: bool = False
    content: Item


class ExportedAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    model: str
    asked_by: str | None = None
    """Who asked for it, in a conversation of several people."""


class ExportedHead(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before a conversation's items."""

    title: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    metadata: dict[str, str] = {}
    head: str | None = None
    answers: list[ExportedAnswer] = []


class ExportedConversation(ExportedHead, frozen=True, kw_only=True):
    items: list[ExportedItem] = []


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file, its conversations not read yet."""

    format: str
    version: int
    exported_at: int | None = None
    conversations: list[msgspec.Raw]


def portable(item: Item) -> Item:
    """The item as it makes sense elsewhere: a file of ``/v1/files`` becomes its name."""
    if isinstance(item, MessageItem):
        return msgspec.structs.replace(item, content=_portable(item.content))
    if isinstance(item, CallOutputItem):
        return msgspec.structs.replace(item, output=_portable(item.output))
    return item


def _portable(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(
        Text(f"[{part.name or 'file'}]") if isinstance(part, File) and part.data is None else part for part in parts
    )
