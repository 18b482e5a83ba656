"""Stop strings, which end an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class StopMatcher:
    """Passes text on up to the first stop string, whatever pieces the text arrives in.

    The first stop string is the one that is complete first; of several that one
    character completes, the longest. Text that may be the beginning of a stop string is
    held back until that is decided. Each character is examined once
    (Aho and Corasick, *Efficient string matching*, 1975).
    """

    def __init__(self, stops: Sequence[str], *, inclusive: bool = False) -> None:
        """``inclusive``: whether the stop string itself is passed on."""
        if any(not stop for stop in stops):
            raise ValueError("a stop string must not be empty")
        self._next: list[dict[str, int]] = [{}]
        self._depth = [0]
        self._fallback = [0]
        self._matched_length = [0]
        """For each state: the length of the longest stop string that ends there, 0 for none."""
        for stop in stops:
            self._insert(stop)
        self._link()
        self._state = 0
        self._held = ""
        self.stop: str | None = None
        """The stop string that ended the answer."""
        self._inclusive = inclusive

    def add(self, text: str) -> tuple[str, bool]:
        """The text that can be shown now, and whether a stop string ended the answer; after a match no text follows."""
        if self.stop is not None:
            return "", True
        if len(self._next) == 1:
            return text, False
        state = self._state
        for position, character in enumerate(text):
            while state and character not in self._next[state]:
                state = self._fallback[state]
            state = self._next[state].get(character, 0)
            if length := self._matched_length[state]:
                shown = self._held + text[: position + 1]
                self._held = ""
                self.stop = shown[len(shown) - length :]
                return (shown if self._inclusive else shown[: len(shown) - length]), True
        self._state = state
        shown = self._held + text
        cut = len(shown) - self._depth[state]
        self._held = shown[cut:]
        return shown[:cut], False

    def finish(self) -> str:
        """The text that was held back: the answer ended before it became a stop string."""
        held, self._held = self._held, ""
        return held

    def _insert(self, stop: str) -> None:
        state = 0
        for character in stop:
            following = self._next[state].get(character)
            if following is None:
                following = len(self._next)
                self._next[state][character] = following
                self._next.append({})
                self._depth.append(self._depth[state] + 1)
                self._fallback.append(0)
                self._matched_length.append(0)
            state = following
        self._matched_length[state] = len(stop)

    def _link(self) -> None:
        queue = deque(self._next[0].values())
        while queue:
            state = queue.popleft()
            for character, following in self._next[state].items():
                fallback = self._fallback[state]
                while fallback and character not in self._next[fallback]:
                    fallback = self._fallback[fallback]
                self._fallback[following] = self._next[fallback].get(character, 0)
                if not self._matched_length[following]:
                    self._matched_length[following] = self._matched_length[self._fallback[following]]
                queue.append(following)
