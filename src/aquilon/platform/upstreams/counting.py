"""Tokens of models whose tokenizer is elsewhere: bounds before an upstream answers, doubts about what it says after."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from aquilon.platform.domain.generation import ChatPrompt, FillPrompt, GenerationRequest, JsonSchema, TextPrompt
from aquilon.text.messages import ImagePart, TextPart

_MESSAGE_TOKENS = 16
"""What a template puts around a message, at most."""
_TEMPLATE_TOKENS = 64
_TOOLS_TOKENS = 512
"""What templates say about tools before listing them."""
_IMAGE_TOKENS = 4096
_BYTES_A_TOKEN = 4
"""Of a usual prompt."""
_MOST_BYTES_A_PIECE = 6
"""On average, where each piece of a stream is a token."""
_MOST_BYTES_A_TOKEN = 16
"""On average: no model's text has more."""
_UNSEEN_TOKENS = 32
"""Of a continuation, that nobody sees: its end, a stop string, a tool call's frame."""


@dataclass(frozen=True)
class PromptSize:
    most: int
    """Tokens: no tokenizer makes more than one of a byte."""
    usual: int
    """Tokens that are counted where the upstream doesn't tell."""


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
        for call in message.tool_calls:
            size += len(call.function.name.encode()) + len(call.function.arguments.encode()) + len(call.id.encode())
    more = _TEMPLATE_TOKENS + _MESSAGE_TOKENS * len(prompt.messages) + _IMAGE_TOKENS * images
    if prompt.tool_use is not None:
        size += len(msgspec.json.encode(prompt.tool_use.tools))
        more += _TOOLS_TOKENS
    if isinstance(request.format, JsonSchema):
        size += len(msgspec.json.encode(request.format.schema))
    found = _size(size, more)
    return PromptSize(found.most, found.usual + 4 * len(prompt.messages) + _IMAGE_TOKENS // 4 * images)


def _size(size: int, more: int) -> PromptSize:
    return PromptSize(size + more + 8, max(1, -(-size // _BYTES_A_TOKEN)))


class Tally:
    """Our own count of what a stream brought."""

    def __init__(self) -> None:
        self.tokens = 0
        self.bytes = 0
        self._pieces = 0

    def add(self, size: int) -> int:
        """A piece of so many bytes came; gives the tokens that it adds.

        A server that streams each token by itself is counted exactly, one that streams
        more at once by its bytes.
        """
        before = self.tokens
        self._pieces += 1
        self.bytes += size
        self.tokens = max(self._pieces, self.bytes // _MOST_BYTES_A_PIECE)
        return self.tokens - before

    def believes(self, told: int, *, most: int, n: int, hidden: bool) -> bool:
        """Whether an upstream's own count can be true.

        ``most``: what each of ``n`` continuations may have; ``hidden``: it may have
        generated what it doesn't show, as reasoning models do.
        """
        if told < -(-self.bytes // _MOST_BYTES_A_TOKEN) or told > most * n:
            return False
        return hidden or told <= self.bytes + _UNSEEN_TOKENS * n
