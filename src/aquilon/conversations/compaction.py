"""Summaries that stand for a conversation, written by the model: in parts where its context doesn't hold the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from aquilon.catalogue.card import ModelCard
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import ApiError, invalid, server_error
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.prepared import Prepared
from aquilon.money.usage_event import Usage
from aquilon.people.identity import Principal
from aquilon.request import ChatPrompt, Delta, GenerationRequest
from aquilon.text.messages import ImagePart, Message

SUMMARY_TOKENS = 1024
"""The most tokens of a summary; in a small context a quarter of it, and for a short text about its length."""
_LEAST_TOKENS = 64
_WITH_THOUGHTS = 4 * SUMMARY_TOKENS
MOST_PARTS = 100
_LEAST_PART = 200
"""Characters. A context that doesn't hold as many is too small to summarise in."""
_CHARACTERS_A_TOKEN = 3
"""For models elsewhere, whose tokenizer isn't here: most text has more."""

_TASK = (
    "Summarise a conversation between a user and an assistant. The summary replaces the conversation: the assistant "
    "goes on with it and sees nothing else. Keep what the user wants and has said about it; decisions, facts, names, "
    "numbers, code and paths of files; what tools returned; what is done and what is still to do. Leave out greetings "
    "and repetitions."
)
_END = "Now write the summary of all of it, in the language of the conversation. Write only the summary."


@dataclass(frozen=True)
class Compaction:
    summary: str
    usage: Usage
    """Of all parts together."""


@dataclass(frozen=True, kw_only=True)
class Compactor:
    """Summarises one conversation with one model, for one caller."""

    pipeline: Pipeline
    model: str
    """The name that the client sent: a model's name or an alias."""
    card: ModelCard
    principal: Principal
    request_id: str
    headers: MutableMapping[str, str]

    async def compact(self, messages: Sequence[Message]) -> Compaction:
        """Each part after the first is read together with the summary of those before it.

        Each part is a request of its own, billed under the request's id and the part's number.
        Raises ApiError, also for a conversation of more than `MOST_PARTS` parts.
        """
        text, summary, usage = transcript(messages), "", Usage(0, 0)
        for number in range(MOST_PARTS):
            prepared, length = await self._first_part(text, summary)
            request_id = f"{self.request_id}{number:02x}" if number else self.request_id
            summary, used = await self._written(prepared, request_id)
            usage = _sum(usage, used)
            text = text[length:]
            if not text:
                return Compaction(summary, usage)
        raise invalid(
            f"The conversation is too long to be summarised by '{self.card.name}': after {MOST_PARTS} parts, "
            f"{len(text)} characters are left",
            param="input",
            code="context_length_exceeded",
        )

    async def _first_part(self, text: str, summary: str) -> tuple[Prepared, int]:
        """The request to summarise as much of the text as fits, and how many characters that is."""
        length = len(text)
        short = max(_LEAST_TOKENS, (length + len(summary)) // 2)
        most_tokens = _WITH_THOUGHTS if self.card.reasoning else min(SUMMARY_TOKENS, short)
        if not self.card.local and self.card.max_context:
            most_tokens = min(most_tokens, self.card.max_context // 4)
            read = (self.card.max_context - most_tokens) * _CHARACTERS_A_TOKEN - len(request_text("", summary))
            length = _whole_turns(text, max(_LEAST_PART, read))
        while True:
            request = self._request(request_text(text[:length], summary), most_tokens)
            try:
                return await self.pipeline.prepare(request, self.principal), length
            except ApiError as error:
                reached = error.limit
                if reached is None or reached.kind != "context_tokens" or not reached.needed or length <= _LEAST_PART:
                    raise
                needed = reached.needed - most_tokens
                most_tokens = min(most_tokens, reached.limit // 4)
                share = min(0.8, 0.95 * (reached.limit - most_tokens) / max(1, needed))
                length = _whole_turns(text, max(_LEAST_PART, int(length * share)))

    def _request(self, text: str, most_tokens: int) -> GenerationRequest:
        return GenerationRequest(
            model=self.model,
            prompt=ChatPrompt((Message("user", text),), template_variables={"enable_thinking": False}),
            sampling=SamplingParameters(max_tokens=most_tokens),
        )

    async def _written(self, prepared: Prepared, request_id: str) -> tuple[str, Usage]:
        """Raises ApiError, also for an answer without text: the conversation must not be lost."""
        summary, usage = "", Usage(0, 0)
        events = self.pipeline.answer([prepared], self.principal, request_id=request_id, headers=self.headers)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Delta):
                    summary += event.text
                elif isinstance(event, Usage):
                    usage = event
        summary = summary.strip()
        if not summary:
            raise server_error(f"The model '{self.card.name}' wrote no summary: try again", code="no_summary")
        return summary, usage


def transcript(messages: Iterable[Message]) -> str:
    """A conversation as text: who says what, what is called, and what it returns."""
    return "\n\n".join(turn for message in messages for turn in _turns(message))


def request_text(part: str, summary: str) -> str:
    """What the model is asked. ``summary``: of what came before the part; empty if nothing did."""
    before = (
        f"Summary of the conversation's beginning:\n\n{summary}\n\nHow it goes on" if summary else "The conversation"
    )
    return f"{_TASK}\n\n{before}:\n\n{part}\n\n{_END}"


def _turns(message: Message) -> Iterator[str]:
    images = sum(isinstance(part, ImagePart) for part in message.parts)
    content = "\n".join(filter(None, [message.content, *["(an image)"] * images]))
    speaker = f"Result of {message.name}" if message.role == "tool" and message.name else message.role.capitalize()
    if content:
        yield f"{speaker}: {content}"
    for call in message.tool_calls:
        yield f"{speaker} calls {call.function.name}: {call.function.arguments}"


def _whole_turns(text: str, length: int) -> int:
    """At most this length, which ends between two turns or paragraphs if one ends in the second half of it."""
    if length >= len(text):
        return len(text)
    end = text.rfind("\n\n", length // 2, length)
    return length if end < 0 else end + 2


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
    )
