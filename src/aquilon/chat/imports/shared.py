"""A shared conversation, as one that its reader goes on with."""

from __future__ import annotations

from aquilon.chat.imports.tree import Node, Tree
from aquilon.chat.shares import OpenedShare
from aquilon.conversations.items import MessageItem, Text


def tree_of_share(share: OpenedShare) -> Tree:
    nodes: list[Node] = []
    models: dict[str, str] = {}
    for number, message in enumerate(share.messages):
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
    return Tree(title=share.title, created_at=None, updated_at=None, nodes=nodes, head=None, models=models)
