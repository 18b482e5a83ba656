"""ChatGPT's export, ``conversations.json``: a list of conversations, each a map of nodes with their parents.

Kept are what people asked and the assistant answered, with its thoughts, and visible
instructions. Left out are hidden nodes and the exchange with tools: what stands below them is
then below what stands above them. Pictures and files are not in that file: their place is marked.
Marks of sources become the links that the file has for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from aquilon.conversations.items import Item, MessageItem, ReasoningItem, Text
from aquilon.conversations.transfer.imports.tree import (
    Node,
    Tree,
    by_children,
    cleaned_model,
    cleaned_title,
    parents_within,
)

_MARK = re.compile("\ue200[^\ue200\ue201]*\ue201|【[^【】]{0,100}†[^【】]{0,100}】")
"""Of a source, in an answer's text: between two private characters, in older files between brackets."""


class _Author(msgspec.Struct):
    role: str = ""


class _Content(msgspec.Struct):
    content_type: str = "text"
    parts: list[Any] | None = None
    text: str | None = None
    language: str | None = None
    thoughts: list[Any] | None = None


class _Metadata(msgspec.Struct):
    model_slug: str | None = None
    is_visually_hidden_from_conversation: bool | None = None
    is_user_system_message: bool | None = None
    content_references: Any = None


class _Message(msgspec.Struct):
    author: _Author
    content: _Content
    create_time: float | None = None
    status: str | None = None
    recipient: str | None = None
    metadata: _Metadata | None = None


class _Node(msgspec.Struct):
    message: _Message | None = None
    parent: str | None = None
    children: list[str] = []


class _Conversation(msgspec.Struct):
    mapping: dict[str, _Node]
    title: str | None = None
    create_time: float | None = None
    update_time: float | None = None
    current_node: str | None = None
    default_model_slug: str | None = None


_decoder = msgspec.json.Decoder(_Conversation)


def tree_of_chatgpt(data: msgspec.Raw) -> Tree:
    """Raises ImportRefused for a circle, msgspec.MsgspecError for another shape."""
    conversation = _decoder.decode(data)
    mapping = conversation.mapping
    items = {id_: item for id_, node in mapping.items() if (item := _item(node.message)) is not None}
    parents = {id_: node.parent for id_, node in mapping.items()}
    above, missing = parents_within(parents, items)
    order = by_children(list(mapping), parents, {id_: node.children for id_, node in mapping.items()})
    nodes: list[Node] = []
    answers: dict[str, str] = {}
    models: dict[str, str] = {}
    for id_ in order:
        if id_ not in items:
            continue
        item, message, parent_id = items[id_], mapping[id_].message, above[id_]
        assert message is not None
        output = isinstance(item, ReasoningItem) or (isinstance(item, MessageItem) and item.role == "assistant")
        if output:  # thoughts and the text below them are one answer
            answers[id_] = answers.get(parent_id or "", id_)
            model = (message.metadata and message.metadata.model_slug) or conversation.default_model_slug
            models[answers[id_]] = cleaned_model(model or "ChatGPT")
        nodes.append(
            Node(
                id=id_,
                parent_id=parent_id,
                item=item,
                created_at=seconds(message.create_time),
                answer=answers.get(id_),
                output=output,
                complete=message.status in (None, "finished_successfully"),
            )
        )
    head = conversation.current_node
    return Tree(
        title=cleaned_title(conversation.title),
        created_at=seconds(conversation.create_time),
        updated_at=seconds(conversation.update_time),
        nodes=nodes,
        head=head if head in items else above.get(head or ""),
        models=models,
        detached=missing,
    )


def seconds(time: float | None) -> int | None:
    """A time in whole seconds; one in milliseconds too, as some files have it."""
    if time is None or not 0 <= time < 10**15:
        return None
    return int(time / 1000) if time >= 10**11 else int(time)


def _item(message: _Message | None) -> Item | None:
    """None for a node that isn't kept."""
    if message is None or (message.recipient or "all") != "all":
        return None
    metadata, content = message.metadata or _Metadata(), message.content
    if metadata.is_visually_hidden_from_conversation or metadata.is_user_system_message:
        return None
    role = message.author.role
    if content.content_type == "thoughts" and role == "assistant":
        return ReasoningItem(thoughts) if (thoughts := _thoughts(content.thoughts or [])) else None
    if content.content_type not in ("text", "multimodal_text", "code"):
        return None
    text = _text(content)
    if role == "assistant":
        links = _links(metadata.content_references)
        text = _MARK.sub(lambda mark: links.get(mark[0], ""), text)
    if content.content_type == "code" and text:
        text = f"```{cleaned_model(content.language or '')}\n{text}\n```"
    match role:
        case "user":
            return MessageItem("user", (Text(text),))
        case "assistant":
            return MessageItem("assistant", (Text(text),)) if text else None
        case "system":
            return MessageItem("system", (Text(text),)) if text else None
        case _:
            return None


def _text(content: _Content) -> str:
    if content.parts is None:
        return content.text or ""
    return "\n".join(text for part in content.parts if (text := _part(part)))


def _links(references: Any) -> dict[str, str]:
    """In Markdown, by the mark that stands for them."""
    links: dict[str, str] = {}
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict):
            mark, link = reference.get("matched_text"), reference.get("alt")
            if isinstance(mark, str) and isinstance(link, str):
                links[mark.strip()] = link
    return links


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        if isinstance(text := part.get("text"), str):
            return text
        return "[image]" if "image" in str(part.get("content_type", "")) else "[file]"
    return ""


def _thoughts(thoughts: Sequence[Any]) -> str:
    texts = [thought.get("content") or thought.get("summary") for thought in thoughts if isinstance(thought, dict)]
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)
