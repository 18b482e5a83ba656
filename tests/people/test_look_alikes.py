"""Names that look alike to a reader."""

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
def test_a_name_that_looks_different_has_another_skeleton(name: str) -> None:
    assert look_alike(name, ["admin"]) is None


def test_composed_and_decomposed_accents_have_the_same_skeleton() -> None:
    for name in ("José", "Nguyễn", "Ångström"):
        assert skeleton(unicodedata.normalize("NFD", name)) == skeleton(unicodedata.normalize("NFC", name))


@pytest.mark.parametrize("name", ["аdmin", "Ваlance", "team Ꭺdmin", "pаypal-7"])
def test_a_word_that_mixes_alphabets_is_found(name: str) -> None:
    assert mixed_word(name) is not None


@pytest.mark.parametrize(
    "name",
    ["Ольга", "Ольга Müller", "東京Tower", "李さん", "김철수", "हिन्दी", "עברית", "O’Neil", "ʻOkina", "Straße", "nº 5"],
)
def test_real_names_of_people_mix_no_alphabets(name: str) -> None:
    assert mixed_word(name) is None
