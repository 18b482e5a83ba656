"""What one rendering of a chat template may spend: steps that stand for time, characters that stand for memory."""

from __future__ import annotations

from typing import Any

_NANOSECONDS = 300_000_000
"""A rendering's time: nominal nanoseconds of work, counted and not read from a clock, so the same on every machine."""
_NANOSECONDS_PER_INPUT_CHARACTER = 2_000
_MOST_NANOSECONDS = 1_000_000_000
BRIEF = 5_000_000
"""Enough for nearly every conversation, and short enough to keep others waiting for it."""
_CHARACTERS = 32 * 2**20
_CHARACTERS_PER_INPUT_CHARACTER = 64
"""Templates trim, split and join what they are given; a few copies of it are no attack."""

NODE = 100
"""Nominal nanoseconds to evaluate one node of a template's syntax tree."""
CALL = 1500
ITEM = 400


class BudgetExceeded(Exception):
    """The template wants more time or memory than a rendering has."""


class Budget:
    """Counts down while a template runs. ``input_size`` is the number of characters that it is given."""

    def __init__(self, input_size: int, most: int = _MOST_NANOSECONDS) -> None:
        """``most`` nanoseconds, and fewer for a small input."""
        self._time = min(_NANOSECONDS + _NANOSECONDS_PER_INPUT_CHARACTER * input_size, most)
        self._characters = _CHARACTERS + _CHARACTERS_PER_INPUT_CHARACTER * input_size

    def spend(self, nanoseconds: int) -> bool:
        """Take time; true, so that it can stand in a condition."""
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
        """Take the time to walk through a value, each shared part as often as it is met; its size in characters."""
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
