"""Open WebUI's export: a list of chats, whose ``chat.history.messages`` is a map of messages with their parents.

Thoughts become thoughts again: they stand in an answer's text, in ``<details type="reasoning">``, and in files of
2026 (0.12) in its ``output``, a list of items as `/v1/responses` has them, where the text may stand alone too.
Files are not in that file: their names stay.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from aquilon.conversations.items import MessageItem, ReasoningItem, Text
from aquilon.conversations.transfer.imports.chatgpt import seconds
from aquilon.conversations.transfer.imports.tree import (
    Node,
    Tree,
    by_children,
    cleaned_model,
    cleaned_title,
    parents_within,
)

_THOUGHTS = re.compile(r'\s*<details type="reasoning"[^>]*>\s*(?:<summary>[^<]*</summary>)?(.*?)</details>\s*', re.S)
_QUOTE = re.compile(r"^(?:>|&gt;) ?", re.M)


class _Message(msgspec.Struct, rename="camel"):
    role: str = ""
    content: Any = ""
    parent_id: str | None = None
    children_ids: list[str] = []
    timestamp: float | None = None
    model: str | None = None
    done: bool | None = None
    files: list[Any] | None = None
    output: Any = None


class _History(msgspec.Struct, rename="camel"):
    messages: dict[str, _Message]
    current_id: str | None = None


class _Chat(msgspec.Struct):
    history: _History
    title: str | None = None


class _Record(msgspec.Struct):
    chat: _Chat
    title: str | None = None
    created_at: float | None = None
    updated_at: float | None = None


_decoder = msgspec.json.Decoder(_Record)


def tree_of_open_webui(data: msgspec.Raw) -> Tree:
    """Raises ImportRefused for a circle, msgspec.MsgspecError for another shape."""
    record = _decoder.decode(data)
    messages = record.chat.history.messages
    parents = {id_: message.parent_id for id_, message in messages.items()}
    kept = {id_ for id_, message in messages.items() if message.role in ("user", "assistant", "system")}
    above, missing = parents_within(parents, kept)
    order = by_children(list(messages), parents, {id_: message.children_ids for id_, message in messages.items()})
    nodes: list[Node] = []
    models: dict[str, str] = {}
    for id_ in order:
        if id_ in kept:
            nodes += _nodes(id_, messages[id_], above[id_])
            if messages[id_].role == "assistant":
                models[id_] = cleaned_model(messages[id_].model or "")
    head = record.chat.history.current_id
    return Tree(
        title=cleaned_title(record.title or record.chat.title),
        created_at=seconds(record.created_at),
        updated_at=seconds(record.updated_at),
        nodes=nodes,
        head=head if head in kept else above.get(head or ""),
        models=models,
        detached=missing,
    )


def _nodes(id_: str, message: _Message, parent_id: str | None) -> list[Node]:
    """The message, and the thoughts that its text begins with."""
    text, at = _text(message), seconds(message.timestamp)
    if message.role != "assistant":
        role = "system" if message.role == "system" else "user"
        item = MessageItem("system" if role == "system" else "user", (Text(text),))
        return [Node(id=id_, parent_id=parent_id, item=item, created_at=at)]
    nodes = []
    thoughts = _said(message, "reasoning")
    if text.lstrip().startswith("<details") and (match := _THOUGHTS.match(text)):
        thoughts, text = thoughts or _QUOTE.sub("", match[1]).strip(), text[match.end() :]
    if thoughts:
        above = f"{id_}\nthoughts"
        nodes.append(
            Node(
                id=above,
                parent_id=parent_id,
                item=ReasoningItem(thoughts),
                created_at=at,
                answer=id_,
                output=True,
            )
        )
        parent_id = above
    nodes.append(
        Node(
            id=id_,
            parent_id=parent_id,
            item=MessageItem("assistant", (Text(text),)),
            created_at=at,
            answer=id_,
            output=True,
            complete=message.done is not False,
        )
    )
    return nodes


def _text(message: _Message) -> str:
    content = message.content
    if isinstance(content, list):
        content = "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    names = [
        str(file.get("name") or "file") if file.get("type") != "image" else "image"
        for file in message.files or []
        if isinstance(file, dict)
    ]
    text = (content if isinstance(content, str) else "") or _said(message, "message")
    return "\n".join([*(f"[{name}]" for name in names), *([text] if text else [])])


def _said(message: _Message, kind: str) -> str:
    """The text of the items of a kind in an answer's output."""
    items = message.output if isinstance(message.output, list) else []
    said = (_parts(item) for item in items if isinstance(item, dict) and item.get("type") == kind)
    return "\n".join(text for text in said if text.strip())


def _parts(item: dict[str, Any]) -> str:
    parts = item.get("content") or item.get("summary")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))
