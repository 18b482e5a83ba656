"""Our own exports, as `document` describes them."""

from __future__ import annotations

import msgspec

from aquilon.conversations.transfer.document import ExportedConversation, portable
from aquilon.conversations.transfer.imports.tree import (
    ImportRefused,
    Node,
    Tree,
    cleaned_model,
    cleaned_title,
    parents_within,
)

_decoder = msgspec.json.Decoder(ExportedConversation)
_MOST_LABELS = 16
_MOST_LABEL_CHARACTERS = 512


def tree_of_export(data: msgspec.Raw) -> Tree:
    """Raises ImportRefused for repeated ids and circles, msgspec.MsgspecError for another shape."""
    exported = _decoder.decode(data)
    parents: dict[str, str | None] = {}
    for item in exported.items:
        if item.id in parents:
            raise ImportRefused(f"Two of its messages have the id '{item.id[:100]}'", code="repeated_id")
        parents[item.id] = item.parent_id
    above, missing = parents_within(parents, parents)
    nodes = [
        Node(
            id=item.id,
            parent_id=above[item.id],
            item=portable(item.content),
            created_at=item.created_at,
            answer=item.answer,
            output=item.output,
            complete=item.complete,
        )
        for item in exported.items
    ]
    return Tree(
        title=cleaned_title(exported.title),
        created_at=exported.created_at,
        updated_at=exported.updated_at,
        nodes=nodes,
        head=exported.head,
        models={answer.id: cleaned_model(answer.model) for answer in exported.answers},
        metadata={
            key[:64]: value[:_MOST_LABEL_CHARACTERS] for key, value in list(exported.metadata.items())[:_MOST_LABELS]
        },
        detached=missing,
    )
