"""What becomes a conversation's title of what a model wrote."""

from __future__ import annotations

import pytest

from aquilon.conversations.titles import title_in


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
