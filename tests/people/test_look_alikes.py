"""Which names a reader takes for each other."""

from __future__ import annotations

import unicodedata

import pytest

from aquilon.people.look_alikes import look_alike, mixed_word, skeleton


@pytest.mark.parametrize(
    "name",
    ["ADMIN", "аdmin", "АDМІN", "ａｄｍｉｎ", "𝐚𝐝𝐦𝐢𝐧", "ad\u034fmin", "admin\ufe0f", " admin ", "αdmιn", "admın"],
)
def test_a_name_that_looks_like_another_has_its_skeleton(name: str) -> None:
    assert look_alike(name, ["nina", "admin"]) == "admin"


@pytest.mark.parametrize("name", ["adm1n", "admin 2", "admín", "badmin", "админ"])
def test_a_name_that_can_be_told_from_it_has_not(name: str) -> None:
    assert look_alike(name, ["admin"]) is None


def test_however_an_accent_is_composed_it_is_the_same_name() -> None:
    for name in ("José", "Nguyễn", "Ångström"):
        assert skeleton(unicodedata.normalize("NFD", name)) == skeleton(unicodedata.normalize("NFC", name))


@pytest.mark.parametrize("name", ["аdmin", "Ваlance", "team Ꭺdmin", "pаypal-7"])
def test_a_word_of_two_alphabets_is_known(name: str) -> None:
    assert mixed_word(name) is not None


@pytest.mark.parametrize(
    "name",
    ["Ольга", "Ольга Müller", "東京Tower", "李さん", "김철수", "हिन्दी", "עברית", "O’Neil", "ʻOkina", "Straße", "nº 5"],
)
def test_people_s_real_names_are_words_of_one(name: str) -> None:
    assert mixed_word(name) is None
