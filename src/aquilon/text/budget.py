"""The budget of one rendering of a chat template: steps limit its time, characters its memory."""

from __future__ import annotations

from typing import Any

_NANOSECONDS = 300_000_000
"""A rendering's time in nominal nanoseconds: they are counted, not measured, so they are the same on every machine."""
_NANOSECONDS_PER_INPUT_CHARACTER = 2_000
_MOST_NANOSECONDS = 1_000_000_000
BRIEF = 5_000_000
"""Enough for nearly every conversation, and short enough to keep others waiting for it."""
_CHARACTERS = 32 * 2**20
_CHARACTERS_PER_INPUT_CHARACTER = 64
"""Templates trim, split and join their input: a few copies of it are normal."""

NODE = 100
"""Nominal nanoseconds to evaluate one node of a template's syntax tree."""
CALL = 1500
ITEM = 400


class BudgetExceeded(Exception):
    """The template needs more time or memory than a rendering may have."""


class Budget:
    """Counts down while a template runs."""

    def __init__(self, input_size: int, most: int = _MOST_NANOSECONDS) -> None:
        """``input_size`` in characters; a small input has fewer than ``most`` nanoseconds."""
        self._time = min(_NANOSECONDS + _NANOSECONDS_PER_INPUT_CHARACTER * input_size, most)
        self._characters = _CHARACTERS + _CHARACTERS_PER_INPUT_CHARACTER * input_size

    def spend(self, nanoseconds: int) -> bool:
        """Take time. Returns true, so that the call can be part of a condition."""
        self._time -= nanoseconds
        if self._time < 0:
            raise BudgetExceeded("the chat template runs for too long")
        return True

    def make(self, characters: int) -> None:
        """Take memory, and the time to fill it, before a string of this length is built."""
        self._characters -= characters
        if self._characters < 0:
            raise BudgetExceeded("the chat template makes more text than it may")
        self.spend(characters // 4)

    def collect(self, items: int) -> None:
        """The same for a list of this length."""
        self.make(8 * items)
        self.spend(ITEM * items)

    def weigh(self, value: Any) -> int:
        """The size of a value in characters; takes the time to walk through it, shared parts each time they occur."""
        size = 0
        pending = [value]
        while pending:
            item = pending.pop()
            self.spend(ITEM)
            if isinstance(item, str):
                size += len(item)
                self.spend(len(item) // 4)
            elif isinstance(item, dict):
                pending.extend(item)
                pending.extend(item.values())
            elif isinstance(item, list | tuple):
                pending.extend(item)
            else:
                size += 24
            size += 4
        return size
