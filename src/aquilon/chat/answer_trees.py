"""The answers of one conversation by the question that they answer, and the pairs that judgements make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aquilon.conversations.items import Item, MessageItem, ReasoningItem, Text, encoded

PairFormat = Literal["openai", "trl"]
Message = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class PreferencePair:
    prompt: list[Message]
    chosen: str
    rejected: str

    def as_row(self, format: PairFormat) -> dict[str, Any]:
        """A line for OpenAI's preference fine-tuning, or for TRL's trainers (its conversational form)."""
        chosen, rejected = ([{"role": "assistant", "content": text}] for text in (self.chosen, self.rejected))
        if format == "openai":
            return {
                "input": {"messages": self.prompt, "tools": [], "parallel_tool_calls": True},
                "preferred_output": chosen,
                "non_preferred_output": rejected,
            }
        return {"prompt": self.prompt, "chosen": chosen, "rejected": rejected}


@dataclass
class _Answer:
    question: bytes
    """A digest of all messages above it."""
    parent_id: str | None
    branch: int
    text: str = ""
    usable: bool = True
    """Whether it is text alone."""


@dataclass
class AnswerTree:
    """Filled from the top: an item is added after the one above it."""

    _items: dict[str, Item] = field(default_factory=dict)
    _parents: dict[str, str | None] = field(default_factory=dict)
    _digests: dict[str | None, bytes] = field(default_factory=lambda: {None: b""})
    _answers: dict[str, _Answer] = field(default_factory=dict)
    """By run."""

    def add(self, item_id: str, item: Item, *, parent_id: str | None, branch: int, run_id: str | None) -> None:
        """``run_id``: the run whose output it is."""
        self._items[item_id], self._parents[item_id] = item, parent_id
        above = self._digests[parent_id]
        self._digests[item_id] = above if isinstance(item, ReasoningItem) else _digest(above, item)
        if run_id is None:
            return
        answer = self._answers.setdefault(run_id, _Answer(question=above, parent_id=parent_id, branch=branch))
        if branch == answer.branch:
            _extend(answer, item)

    def pairs(
        self, runs: Collection[str], *, liked: Collection[str], others: Collection[str]
    ) -> Iterator[PreferencePair]:
        """Of ``runs``, each that is liked with each of the others that answers the same question."""
        by_question: dict[bytes, list[str]] = {}
        for run_id in runs:
            if run_id in self._answers:
                by_question.setdefault(self._answers[run_id].question, []).append(run_id)
        for siblings in by_question.values():
            for run_id in siblings:
                chosen = self._answers[run_id]
                if run_id not in liked or not chosen.usable or not chosen.text:
                    continue
                prompt = self._prompt(chosen.parent_id)
                for other_id in siblings:
                    rejected = self._answers[other_id]
                    if other_id in others and prompt and rejected.usable and rejected.text not in ("", chosen.text):
                        yield PreferencePair(prompt=prompt, chosen=chosen.text, rejected=rejected.text)

    def _prompt(self, leaf: str | None) -> list[Message]:
        """The messages down to this item; none if they are not text alone, as with pictures or calls."""
        messages: list[Message] = []
        while leaf is not None:
            item = self._items[leaf]
            if isinstance(item, MessageItem) and _is_text(item):
                messages.append({"role": item.role, "content": item.text})
            elif not isinstance(item, ReasoningItem):
                return []
            leaf = self._parents[leaf]
        return messages[::-1]


def _extend(answer: _Answer, item: Item) -> None:
    if isinstance(item, MessageItem) and _is_text(item):
        answer.text = f"{answer.text}\n\n{item.text}" if answer.text else item.text
    elif not isinstance(item, ReasoningItem):
        answer.usable = False


def _is_text(item: MessageItem) -> bool:
    return all(isinstance(part, Text) for part in item.content)


def _digest(above: bytes, item: Item) -> bytes:
    content = f"{item.role}\n{item.text}" if isinstance(item, MessageItem) and _is_text(item) else encoded(item)
    return hashlib.sha256(above + content.encode()).digest()
