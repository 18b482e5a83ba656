"""Tokens of models whose tokenizer is elsewhere: bounds before an upstream answers, doubts about what it says after."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from aquilon.request import ChatPrompt, FillPrompt, GenerationRequest, JsonSchema, TextPrompt
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
_MOST_BYTES_MORE = 1024
"""Of a continuation, beyond what its tokens' text has at most: a tool call's frame, a word cut late."""
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

    def __init__(self, most: int) -> None:
        """``most``: tokens that all continuations may have together; more are not counted."""
        self._most = most
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
        self.tokens = min(self._most, max(self._pieces, self.bytes // _MOST_BYTES_A_PIECE))
        return self.tokens - before

    @property
    def too_long(self) -> bool:
        """Whether no model's text of so many tokens can be so long: the upstream didn't stop where it was asked to."""
        return self.bytes > self._most * _MOST_BYTES_A_TOKEN + _MOST_BYTES_MORE

    def believes(self, told: int, *, n: int, hidden: bool) -> bool:
        """Whether an upstream's own count of ``n`` continuations can be true.

        ``hidden``: it may have generated what it doesn't show, as reasoning models do.
        """
        if told < -(-self.bytes // _MOST_BYTES_A_TOKEN) or told > self._most:
            return False
        return hidden or told <= self.bytes + _UNSEEN_TOKENS * n
