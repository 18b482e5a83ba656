"""How texts are cut into words and compared, whatever their language."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.text.words import MOST_WORDS_ASKED, SNIPPET_CHARACTERS, snippet, words_asked, words_of


def matches(query: str, text: str) -> bool:
    """What both databases do: each word that was asked for begins a word of the text."""
    words = words_of(text).split(" ")
    return all(any(word.startswith(asked) for word in words) for asked in words_asked(query))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ecole", "L'École est fermée"),
        ("École", "l ecole"),
        ("coeur", "de tout cœur"),
        ("strasse", "Die Straße ist gesperrt"),
        ("grun", "Grüne Wiesen"),
        ("GRÜN", unicodedata.normalize("NFD", "grüne wiesen")),
        ("łodz", "Łódź"),
        ("istanbul", "İstanbul"),
        ("αθηνα", "στην Αθήνα"),
        ("محمد", "مُحَمَّد"),
        ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
        ("東京", "私は東京に住んでいます"),
        ("京", "私は東京に住んでいます"),
        ("กรุงเทพ", "ฉันอยู่ที่กรุงเทพมหานคร"),
        ("서울", "서울에서 살아요"),
        ("3 14", "pi is 3.14"),
        ("foo bar", "foo_bar"),
    ],
)
def test_a_word_is_found_however_it_is_written(query: str, text: str) -> None:
    assert matches(query, text)
    hit = snippet(text, words_asked(query))
    assert hit.marks
    assert all(0 <= mark.begin < mark.end <= len(hit.text) for mark in hit.marks)


@pytest.mark.parametrize(("query", "text"), [("house", "hose"), ("東西", "東京 西"), ("ecole maison", "école")])
def test_other_words_are_not_found(query: str, text: str) -> None:
    assert not matches(query, text)


@given(st.text(max_size=200))
def test_every_text_is_found_by_its_own_words(text: str) -> None:
    words = words_of(text)
    assert matches(text, text)
    assert words == " ".join(words.split())
    assert words_of(words) == words or not words.isascii()


@given(st.text(max_size=60))
def test_words_have_no_sign_that_a_database_would_understand(text: str) -> None:
    for word in [*words_of(text).split(), *words_asked(text)]:
        assert not set(word) & set("\"'\\*:()^+-&|!<>\0 \t\n")


def test_a_snippet_has_the_words_that_were_asked_for_and_some_before_them() -> None:
    text = "word " * 100 + "before the École closed " + "after " * 100
    hit = snippet(text, words_asked("ecole clos"))
    assert [hit.text[mark.begin : mark.end] for mark in hit.marks] == ["École", "closed"]
    assert len(hit.text) <= SNIPPET_CHARACTERS
    assert "before the École" in hit.text


def test_a_query_has_a_bounded_number_of_words() -> None:
    assert len(words_asked(" ".join(f"w{number}" for number in range(100)))) == MOST_WORDS_ASKED
