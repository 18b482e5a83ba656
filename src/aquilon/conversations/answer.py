"""Turns the events of one answer into items: its thoughts, its text, its calls."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aquilon.conversations.footnotes import SEARCH, Checked, Cited, Searched, checked, search_record
from aquilon.conversations.items import (
    CalledTool,
    CallItem,
    Item,
    ItemStatus,
    MessageItem,
    OtherItem,
    ReasoningItem,
    Text,
)
from aquilon.request import Delta, FinishedReason, ScoredToken, ToolCallDelta

AnswerKind = Literal["message", "reasoning", "call", "search"]
_PREFIXES = {"message": "msg", "reasoning": "rs", "call": "fc", "search": "fs"}
Written = Delta | ToolCallDelta | Searched | Cited | Checked
"""The events of which items are made."""

_FUNCTIONS_ALONE: Mapping[str, CalledTool] = {}


@dataclass(kw_only=True)
class AnswerItem:
    """An item while it is written."""

    index: int
    id: str
    kind: AnswerKind
    call_id: str = ""
    name: str = ""
    text: str = ""
    """For a call: its arguments."""
    tool: CalledTool | None = None
    """As in `CallItem`."""
    extra: dict[str, Any] = field(default_factory=dict)
    signature: str = ""
    redacted: bool = False
    """As in `ReasoningItem`."""
    tokens: list[ScoredToken] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    """What a message cites."""
    searched: Searched | None = None
    """What a search found."""
    status: ItemStatus = "in_progress"

    @property
    def item(self) -> Item:
        match self.kind:
            case "message":
                return MessageItem("assistant", (Text(self.text, tuple(self.annotations)),))
            case "reasoning":
                return ReasoningItem(self.text, signature=self.signature, redacted=self.redacted)
            case "call":
                return CallItem(self.call_id, self.name, self.text, self.tool, self.extra)
            case "search":
                assert self.searched is not None
                return OtherItem(SEARCH, search_record(self.searched))


@dataclass(frozen=True)
class ItemStarted:
    item: AnswerItem


@dataclass(frozen=True)
class ItemGrew:
    item: AnswerItem
    text: str
    tokens: tuple[ScoredToken, ...] = ()


@dataclass(frozen=True)
class ItemEnded:
    item: AnswerItem


@dataclass(frozen=True)
class ItemCited:
    item: AnswerItem
    annotation: dict[str, Any]


Change = ItemStarted | ItemGrew | ItemCited | ItemEnded


class Answer:
    """One continuation. A text or thought ends when the next item starts; calls may grow side by side until the end."""

    def __init__(self, answer_id: str, tools: Mapping[str, CalledTool] = _FUNCTIONS_ALONE) -> None:
        """``answer_id``: such as ``resp_…``. The ids of the items are derived from it, so that each reading of the same
        events gives the same ids. ``tools``: by the function's name, the tools that are something else."""
        self._suffix = answer_id.partition("_")[2]
        self._tools = tools
        self.items: list[AnswerItem] = []
        self._calls: dict[int, AnswerItem] = {}

    def add(self, event: Written) -> Iterator[Change]:
        if isinstance(event, Searched | Cited | Checked):
            yield from self._note(event)
            return
        if isinstance(event, Delta):
            yield from self._grow("reasoning", event.reasoning, ())
            if event.redacted:
                hidden = yield from self._start("reasoning")
                hidden.signature, hidden.redacted = event.redacted, True
                yield ItemStarted(hidden)
            elif event.signature and self.items and self.items[-1].kind == "reasoning":
                self.items[-1].signature = event.signature
            yield from self._grow("message", event.text, event.tokens)
            return
        item = self._calls.get(event.call)
        if item is None:
            item = self._calls[event.call] = yield from self._start("call")
            item.call_id, item.name, item.extra = event.id, event.name, event.extra
            item.tool = self._tools.get(event.name)
            yield ItemStarted(item)
        if event.arguments:
            item.text += event.arguments
            yield ItemGrew(item, event.arguments)

    def _note(self, event: Searched | Cited | Checked) -> Iterator[Change]:
        match event:
            case Searched():
                search = yield from self._start("search")
                search.searched = event
                yield ItemStarted(search)
                yield from self._end(search, "completed")
            case Cited() if self.items and self.items[-1].kind == "message":
                self.items[-1].annotations.append(event.annotation)
                yield ItemCited(self.items[-1], event.annotation)
            case Checked():
                checks = iter(event.checks)
                for item in self.items:
                    item.annotations = [checked(*pair) for pair in zip(item.annotations, checks, strict=False)]

    def starts_item(self, event: Delta | ToolCallDelta) -> bool:
        """Whether the event would start an item after another one."""
        if not self.items or self.items[-1].kind == "search":
            return False
        if isinstance(event, ToolCallDelta):
            return event.call not in self._calls
        kind = "message" if event.text else "reasoning"
        return self.items[-1].kind != kind and bool(event.text or event.reasoning)

    def end(self, reason: FinishedReason) -> Iterator[Change]:
        """End all items; the last one is incomplete if the answer was cut. An answer has at least an empty message."""
        if not self.items:
            item = yield from self._start("message")
            yield ItemStarted(item)
        cut = reason in ("length", "content_filter")
        for item in self.items:
            yield from self._end(item, "incomplete" if cut and item is self.items[-1] else "completed")

    def _grow(
        self, kind: Literal["message", "reasoning"], text: str, tokens: tuple[ScoredToken, ...]
    ) -> Iterator[Change]:
        if not text and not tokens:
            return
        item = self.items[-1] if self.items else None
        if item is None or item.kind != kind or item.status != "in_progress" or item.signature:
            item = yield from self._start(kind)
            yield ItemStarted(item)
        item.text += text
        item.tokens += tokens
        yield ItemGrew(item, text, tokens)

    def _start(self, kind: AnswerKind) -> Generator[Change, None, AnswerItem]:
        if self.items and self.items[-1].kind != "call":
            yield from self._end(self.items[-1], "completed")
        index = len(self.items)
        item = AnswerItem(index=index, id=f"{_PREFIXES[kind]}_{self._suffix}{index:03x}", kind=kind)
        self.items.append(item)
        return item

    def _end(self, item: AnswerItem, status: ItemStatus) -> Iterator[Change]:
        if item.status == "in_progress":
            item.status = status
            yield ItemEnded(item)


def choices(answer_id: str, n: int, tools: Mapping[str, CalledTool] = _FUNCTIONS_ALONE) -> list[Answer]:
    """The ``n`` continuations of one answer."""
    return [Answer(answer_id if not number else f"{answer_id}{number:02x}", tools) for number in range(n)]


def partial_items(answer: Answer) -> list[AnswerItem]:
    """The items of an answer that was interrupted: what has not ended is incomplete."""
    for item in answer.items:
        if item.status == "in_progress":
            item.status = "incomplete"
    return answer.items
