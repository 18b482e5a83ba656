"""Counts tokens without a tokenizer: bounds a prompt before an upstream answers, and checks its usage afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from aquilon.request import ChatPrompt, FillPrompt, GenerationRequest, JsonSchema, TextPrompt
from aquilon.text.messages import ImagePart, Message, TextPart

_MESSAGE_TOKENS = 16
"""The most tokens that a template writes around a message."""
_TEMPLATE_TOKENS = 64
_TOOLS_TOKENS = 512
"""The most tokens that a template writes about tools before listing them."""
_IMAGE_TOKENS = 4096
_BYTES_A_TOKEN = 4
"""In a usual prompt."""
_MOST_BYTES_A_PIECE = 6
"""On average, if each piece of a stream is a token."""
_MOST_BYTES_A_TOKEN = 16
"""On average: no model's text has more."""
_MOST_BYTES_MORE = 1024
"""Bytes that a continuation may have beyond its tokens' text: a tool call's frame, a word that was cut late."""
_UNSEEN_TOKENS = 32
"""Tokens of a continuation that clients don't get: its end token, a stop string, a tool call's frame."""


@dataclass(frozen=True)
class PromptSize:
    most: int
    """The most tokens: no tokenizer makes more than one token of a byte."""
    usual: int
    """The tokens that are charged if the upstream doesn't report its count."""


def prompt_size(request: GenerationRequest) -> PromptSize:
    prompt = request.prompt
    if isinstance(prompt, TextPrompt):
        return _size(len(prompt.text.encode()), 0)
    if isinstance(prompt, FillPrompt):
        return _size(len(prompt.prefix.encode()) + len(prompt.suffix.encode()), 0)
    if not isinstance(prompt, ChatPrompt):
        return PromptSize(len(prompt.ids), len(prompt.ids))
    size, images = 0, 0
    for message in prompt.messages:
        if message.parts:
            size += sum(len(part.text.encode()) for part in message.parts if isinstance(part, TextPart))
            images += sum(isinstance(part, ImagePart) for part in message.parts)
        else:
            size += len(message.content.encode())
        size += len((message.name or "").encode()) + len((message.tool_call_id or "").encode())
        size += _size_of_more(message)
        size += sum(len(thoughts.text.encode()) + len(thoughts.signature) for thoughts in message.signed_thoughts)
        if not sends_thoughts(message):
            size += len(message.reasoning.encode())
        for call in message.tool_calls:
            size += len(call.function.name.encode()) + len(call.function.arguments.encode()) + len(call.id.encode())
    other_tokens = _TEMPLATE_TOKENS + _MESSAGE_TOKENS * len(prompt.messages) + _IMAGE_TOKENS * images
    if prompt.tool_use is not None:
        size += len(msgspec.json.encode(prompt.tool_use.tools))
        other_tokens += _TOOLS_TOKENS
    if prompt.template_variables:
        size += len(msgspec.json.encode(prompt.template_variables))
    if isinstance(request.format, JsonSchema):
        size += len(msgspec.json.encode(request.format.schema))
    text = _size(size, other_tokens)
    return PromptSize(text.most, text.usual + 4 * len(prompt.messages) + _IMAGE_TOKENS // 4 * images)


def _size_of_more(message: Message) -> int:
    """Bytes of the other fields that an upstream's template may show beside content and calls, such as thoughts."""
    shown: list[Any] = [call.more for call in message.tool_calls if call.more]
    for name, value in message.more.items():
        if name != "content":
            shown.append(value)
        elif isinstance(value, list):
            shown += [part for part in value if part["type"] == "thinking"]
    return len(msgspec.json.encode(shown)) if shown else 0


def sends_thoughts(message: Message) -> bool:
    """Whether the client's own fields, which upstreams get unchanged, have the message's earlier thoughts."""
    content = message.more.get("content")
    return any(message.more.get(name) for name in ("reasoning_content", "reasoning")) or (
        isinstance(content, list) and any(part["type"] == "thinking" for part in content)
    )


def _size(text_bytes: int, other_tokens: int) -> PromptSize:
    return PromptSize(text_bytes + other_tokens + 8, max(1, -(-text_bytes // _BYTES_A_TOKEN)))


class Tally:
    """Our own count of a stream's tokens."""

    def __init__(self, most: int) -> None:
        """``most``: the tokens that all continuations may have together; more are not counted."""
        self._most = most
        self.tokens = 0
        self.bytes = 0
        self._pieces = 0

    def add(self, size: int) -> int:
        """Count a piece of ``size`` bytes; returns the tokens that it adds.

        A server that sends a piece for each token is counted exactly, one that sends
        longer pieces by their bytes.
        """
        before = self.tokens
        self._pieces += 1
        self.bytes += size
        self.tokens = min(self._most, max(self._pieces, self.bytes // _MOST_BYTES_A_PIECE))
        return self.tokens - before

    @property
    def too_long(self) -> bool:
        """Whether the text is too long for the most tokens: the upstream didn't stop at its limit."""
        return self.bytes > self._most * _MOST_BYTES_A_TOKEN + _MOST_BYTES_MORE

    def believes(self, reported: int, *, n: int, hidden: bool) -> bool:
        """Whether an upstream's reported tokens of ``n`` continuations can be true.

        ``hidden``: it may have generated tokens that it doesn't send, as reasoning models do.
        """
        if reported < -(-self.bytes // _MOST_BYTES_A_TOKEN) or reported > self._most:
            return False
        return hidden or reported <= self.bytes + _UNSEEN_TOKENS * n
