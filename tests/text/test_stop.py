"""Stop strings: the text before the first one, whatever pieces it arrives in."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.work import work

from aquilon.text.stop import StopMatcher

_letters = st.text("ab\n", max_size=30)
_stops = st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=4)


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def before_the_first(text: str, stops: list[str]) -> tuple[str, bool]:
    """The definition, the slow way: the shortest beginning of the text that ends in a stop string, less the longest."""
    for end in range(len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(map(len, ending))], True
    return text, False


@given(text=_letters, stops=_stops, places=st.lists(st.integers(0, 1000)))
def test_the_shown_text_ends_before_the_first_stop_string(text: str, stops: list[str], places: list[int]) -> None:
    matcher, shown, matched = StopMatcher(stops), "", False
    for piece in cut(text, places):
        new, matched = matcher.add(piece)
        shown += new
    shown += matcher.finish()
    assert (shown, matched) == before_the_first(text, stops)


@given(text=_letters, stops=_stops, places=st.lists(st.integers(0, 1000)))
def test_no_more_is_held_back_than_could_become_a_stop_string(text: str, stops: list[str], places: list[int]) -> None:
    matcher, seen, shown = StopMatcher(stops), "", ""
    for piece in cut(text, places):
        new, matched = matcher.add(piece)
        if matched:
            return
        seen, shown = seen + piece, shown + new
        held = seen[len(shown) :]
        assert any(stop.startswith(held) for stop in stops) or held == ""
        assert not any(
            stop.startswith(seen[begin:]) for begin in range(len(shown)) for stop in stops if begin < len(seen)
        )


def test_nothing_follows_a_match() -> None:
    matcher = StopMatcher(["END"])
    assert matcher.add("one E") == ("one ", False)
    assert matcher.add("ND two") == ("", True)
    assert matcher.add("three") == ("", True)
    assert matcher.finish() == ""


def test_the_stop_string_that_is_complete_first_ends_the_text() -> None:
    assert StopMatcher(["abcd", "bc"]).add("xabcd") == ("xa", True)
    assert StopMatcher(["bcd", "abcd"]).add("xabcd") == ("x", True)


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopMatcher(["a", ""])


def test_matching_takes_linear_time() -> None:
    def match(pieces: int) -> None:
        matcher = StopMatcher(["a" * 1000 + "b", "a" * 999 + "c"])
        for _ in range(pieces):
            matcher.add("a" * 100)
        assert len(matcher.finish()) == 1000

    assert work(lambda: match(2000)) < 20 * work(lambda: match(200))
