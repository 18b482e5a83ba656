"""A shared conversation, as one that its reader goes on with."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.conversations.items import MessageItem, Text
from aquilon.conversations.transfer.imports.tree import Node, Tree
from aquilon.conversations.transfer.snapshots import SharedMessage


def tree_of_snapshot(title: str | None, messages: Sequence[SharedMessage]) -> Tree:
    nodes: list[Node] = []
    models: dict[str, str] = {}
    for number, message in enumerate(messages):
        text = "\n".join([*(f"[{name}]" for name in message.files), *([message.text] if message.text else [])])
        output = message.role == "assistant"
        if output and message.model is not None:
            models[str(number)] = message.model
        nodes.append(
            Node(
                id=str(number),
                parent_id=str(number - 1) if number else None,
                item=MessageItem("assistant" if output else "user", (Text(text),)),
                created_at=message.created_at,
                answer=str(number) if output else None,
                output=output,
                complete=message.complete,
            )
        )
    return Tree(title=title, created_at=None, updated_at=None, nodes=nodes, head=None, models=models)
