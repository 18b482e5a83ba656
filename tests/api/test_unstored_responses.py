"""What a WebSocket connection remembers of responses that aren't stored."""

from __future__ import annotations

import pytest

from aquilon.api.generation.responses_websocket import MOST_KEPT, Unstored
from aquilon.conversations.histories import History
from aquilon.conversations.items import Item, MessageItem, Text


def message(text: str) -> Item:
    return MessageItem("user", (Text(text),))


def filled(count: int, *, most_bytes: int = 100_000, length: int = 10) -> Unstored:
    """Responses ``0``, ``1``, … that each continue the one before."""
    unstored, history = Unstored(most_bytes), History((), 0)
    for number in range(count):
        unstored.add(str(number), history, [message("x" * length)])
        history = unstored.histories.get(str(number), history)
    return unstored


def test_a_response_is_read_with_those_that_it_continues() -> None:
    unstored = filled(3)
    assert [len(history.items) for history in unstored.histories.values()] == [1, 2, 3]


def test_the_oldest_of_too_many_is_forgotten() -> None:
    assert list(filled(MOST_KEPT + 2).histories) == [str(number) for number in range(2, MOST_KEPT + 2)]


def test_the_oldest_are_forgotten_where_all_together_are_too_large() -> None:
    unstored = filled(8, most_bytes=3000, length=200)
    assert "7" in unstored.histories
    assert "0" not in unstored.histories
    assert sum(history.bytes for history in unstored.histories.values()) <= 3000


def test_one_that_is_too_large_alone_is_not_kept() -> None:
    assert not filled(1, most_bytes=100, length=200).histories


@pytest.mark.parametrize(
    ("failed", "kept"),
    [
        ('{"previous_response_id": "0"}', ["1"]),
        ('{"previous_response_id": "0", "input": [{}, 7]}', ["1"]),
        ('{"previous_response_id": "unknown"}', ["0", "1"]),
        ('{"previous_response_id": ["0"]}', ["0", "1"]),
        ('{"previous_response_id": "0"', ["0", "1"]),
        ("[]", ["0", "1"]),
        ('{"a": ' * 10_000, ["0", "1"]),
    ],
)
def test_a_message_that_failed_is_read_for_what_it_continued_only(failed: str, kept: list[str]) -> None:
    unstored = filled(2)
    unstored.forget(failed)
    assert list(unstored.histories) == kept
