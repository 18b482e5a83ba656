"""Conversations for templates that take the user and the assistant by turns alone, as Mistral 7B's and Gemma's do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aquilon.text.messages import Message


def alternating(messages: Sequence[Message]) -> list[Message]:
    """Instructions, and questions that got no answer, become part of the question after them."""
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else None
        if before is not None and message.role == "user" and before.role in ("user", "system"):
            joined[-1] = msgspec.structs.replace(message, content=f"{before.content}\n\n{message.content}")
        else:
            joined.append(message)
    return joined
