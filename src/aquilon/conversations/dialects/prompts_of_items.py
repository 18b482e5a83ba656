"""The messages that a model reads of a conversation's items, and how they are made to fit its context."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from aquilon.conversations.items import CallItem, CallOutputItem, Item
from aquilon.conversations.messages import messages_of
from aquilon.errors import ApiError, invalid
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.prepared import Prepared
from aquilon.people.identity import Principal
from aquilon.request import GenerationRequest
from aquilon.text.messages import Message


def joined_instructions(*texts: str | None) -> str | None:
    """Several instructions as one system message, in this order; None if there are none."""
    return "\n\n".join(text for text in texts if text) or None


def prompt_messages(
    instructions: str | None, history: Sequence[Item], new: Sequence[Item], *, param: str = "input"
) -> list[Message]:
    """The instructions, what was stored before, and the new items.

    Raises ApiError 400 if there is nothing to answer, and for outputs without a call or calls without an output.
    """
    require_calls(history, new, param=param)
    messages = messages_of((*history, *new))
    if not messages:
        raise invalid("The input has no message and no output of a function: there is nothing to answer", param=param)
    if messages[-1].tool_calls:
        names = ", ".join(call.function.name for call in messages[-1].tool_calls)
        raise invalid(f"The input ends with calls whose outputs are missing: {names[:500]}", param=param)
    messages = _without_open_calls(messages)
    return messages if instructions is None else [Message("system", instructions), *messages]


def _without_open_calls(messages: Sequence[Message]) -> list[Message]:
    """Without calls that nobody answered, as of a tool that wasn't offered: many servers refuse a talk that has one."""
    answered = {message.tool_call_id for message in messages if message.role == "tool"}
    kept = []
    for message in messages:
        calls = tuple(call for call in message.tool_calls if call.id in answered)
        if calls or not message.tool_calls or message.content or message.parts:
            kept.append(msgspec.structs.replace(message, tool_calls=calls))
    return kept


def require_calls(history: Sequence[Item], new: Sequence[Item], *, param: str = "input") -> None:
    """Raises ApiError 400 for an output without its call before it."""
    outputs = [(position, item) for position, item in enumerate(new) if isinstance(item, CallOutputItem)]
    if not outputs:
        return
    known = {item.call_id for item in history if isinstance(item, CallItem)}
    calls = {item.call_id: position for position, item in reversed([*enumerate(new)]) if isinstance(item, CallItem)}
    for position, item in outputs:
        if item.call_id not in known and calls.get(item.call_id, position) >= position:
            raise invalid(
                f"Item {position} is the output of the call '{item.call_id[:100]}', which is not in the conversation "
                "before it",
                param=f"{param}.{position}",
                code="call_not_found",
            )


async def prepare_to_fit(
    pipeline: Pipeline,
    messages: Sequence[Message],
    principal: Principal,
    *,
    generation: Callable[[Sequence[Message]], GenerationRequest],
) -> Prepared:
    """Prepare a request, without its oldest turns if it doesn't fit the model's context. Raises ApiError."""
    while True:
        try:
            return await pipeline.prepare(generation(messages), principal)
        except ApiError as error:
            reached = error.limit
            if reached is None or reached.kind != "context_tokens" or not reached.needed:
                raise
            shorter = _without_oldest(messages, 1 - reached.limit / reached.needed)
            if shorter is None:
                raise
            messages = shorter


def _without_oldest(messages: Sequence[Message], share: float) -> list[Message] | None:
    """Without at least this share of the turns, up to a message of the user's; None if only one turn is left."""
    first = next((number for number, message in enumerate(messages) if message.role != "system"), len(messages))
    turns = messages[first:]
    for number in range(max(1, int(len(turns) * share)), len(turns)):
        if turns[number].role == "user":
            return [*messages[:first], *turns[number:]]
    return None
