"""What a share shows: the questions and answers of one path, and nothing else.

Left out are instructions, thoughts, tool calls and citations (which name passages of documents),
and every id. Of a file or picture, its name stays.
"""

from __future__ import annotations

import msgspec

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.items import File, Image, MessageItem, decoded
from aquilon.conversations.tables import StoredItem
from aquilon.errors import invalid
from aquilon.people.identity import Principal

MOST_MESSAGES = 10_000
MOST_BYTES = 16 * 2**20
"""Of a snapshot as JSON."""
_AT_ONCE = 200


class SharedMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question or an answer."""

    role: str
    """``user`` or ``assistant``."""
    text: str
    created_at: int
    model: str | None = None
    """The model that wrote an answer, if it is known."""
    files: tuple[str, ...] = ()
    """The names of files and pictures that came with a question."""
    complete: bool = True
    """Whether the answer was written to its end."""


_decoder = msgspec.json.Decoder(list[SharedMessage])


def decoded_snapshot(data: bytes) -> list[SharedMessage]:
    return _decoder.decode(data)


async def taken(
    conversations: Conversations, principal: Principal, conversation_id: str, *, leaf: str | None
) -> list[SharedMessage]:
    """The messages on the path to ``leaf``, or to the conversation's last item.

    Raises ApiError 404, and 400 for a path without messages or with too many.
    """
    messages: list[SharedMessage] = []
    models = await conversations.models_of_runs(principal, conversation_id)
    after, more, size = None, True, 0
    while more:
        rows, more = await conversations.page(
            principal, conversation_id, leaf=leaf, after=after, order="asc", limit=_AT_ONCE
        )
        after = rows[-1].id if rows else None
        more = more and after is not None
        for row in rows:
            message = _message(row, models)
            if message is None:
                continue
            messages.append(message)
            size += len(msgspec.json.encode(message))
            if size > MOST_BYTES or len(messages) > MOST_MESSAGES:
                raise invalid(
                    f"This conversation is too long to be shared: at most {MOST_MESSAGES:,} messages with "
                    f"{MOST_BYTES // 2**20} MB can be. Name an earlier item as its 'leaf'",
                    param="leaf",
                    code="too_long_to_share",
                    values={"most": MOST_MESSAGES, "megabytes": MOST_BYTES // 2**20},
                )
    if not messages:
        raise invalid("There is no message to share yet: ask something first", code="nothing_to_share")
    return messages


def _message(row: StoredItem, models: dict[str, str]) -> SharedMessage | None:
    item = decoded(row.content)
    if not isinstance(item, MessageItem) or item.role not in ("user", "assistant"):
        return None
    files = tuple(
        (part.name or "file") if isinstance(part, File) else "image"
        for part in item.content
        if isinstance(part, File | Image)
    )
    return SharedMessage(
        role=item.role,
        text=item.text,
        created_at=row.created_at,
        model=models.get(row.run_id or "") if item.role == "assistant" else None,
        files=files,
        complete=row.status == "completed",
    )
