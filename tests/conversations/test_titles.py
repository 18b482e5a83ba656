"""What becomes a conversation's title of what a model wrote, or of the question."""

from __future__ import annotations

import pytest

from aquilon.conversations.titles import LONGEST_TITLE, first_words, title_in


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("North wind", "North wind"),
        ('"The North Wind."', "The North Wind"),
        ("**Title: North wind**\n\nHere is why", "North wind"),
        ("# Vent du nord", "Vent du nord"),
        ("Titre : « Le vent du nord »", "Le vent du nord"),
        ("<think>short?</think>\nNordwind", "Nordwind"),
        ("北风的故事。", "北风的故事"),
        ("", None),
        ("***", None),
        ("<think>never ends", None),
        (f"This model answers with a whole text instead of a title {'and goes on ' * 9}", None),
    ],
)
def test_a_title_is_taken_out_of_what_a_model_wrote(written: str, title: str | None) -> None:
    assert title_in(written) == title


@pytest.mark.parametrize("question", ["Short", "word " * 40, "a" * 200, "👋🏽" * 90, "  many\n\n spaces  "])
def test_the_first_words_of_a_question_are_short(question: str) -> None:
    title = first_words(question)
    assert 0 < len(title) <= LONGEST_TITLE
    assert title == " ".join(title.split())
