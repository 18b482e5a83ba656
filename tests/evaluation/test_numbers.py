"""Numbers and answers are read as people write them in five languages."""

from __future__ import annotations

import pytest

from aquilon.evaluation.answers import answer_in, expected_answers
from aquilon.evaluation.numbers import numbers_in
from aquilon.evaluation.tasks import AnswerTask


@pytest.mark.parametrize(
    ("language", "text", "numbers"),
    [
        ("en", "1,234.5", ["1234.5"]),
        ("fr", "1 234,5", ["1234.5"]),
        ("fr", "1\u202f234\u00a0567,5 €", ["1234567.5"]),
        ("de", "1.234,5", ["1234.5"]),
        ("es", "1.234.567", ["1234567"]),
        ("it", "1'234,50", ["1234.50"]),
        ("en", "1.500", ["1.500"]),
        ("de", "1.500", ["1500"]),
        ("fr", "1,500", ["1.500"]),
        ("de", "0.500", ["0.500"]),
        ("fr", "9.99 $", ["9.99"]),
        ("en", "$12,345,678.90", ["12345678.90"]),
        ("en", "16 - 3 - 4 = 9", ["16", "3", "4", "9"]),
        ("de", "x = −4,5", ["-4.5"]),
        ("es", "de 5-10 días", ["5", "10"]),
        ("en", "rooms 2 300", ["2", "300"]),
        ("en", "3,4,5", ["3", "4", "5"]),
        ("en", "It is 42.", ["42"]),
        ("it", "nessuno", []),
    ],
)
def test_numbers_are_read_as_the_language_writes_them(language: str, text: str, numbers: list[str]) -> None:
    assert [str(number) for number in numbers_in(text, language)] == numbers


def task(**fields: object) -> AnswerTask:
    return AnswerTask(**{"name": "t", "data": "d", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("2 + 2 = 4. La réponse est 1 250,0 euros, pas 3.", "1250"),
        ("Il y en a 3, puis 7.", "7"),
        ("la Réponse est **18**.\nQuestion : 5 + 5 ?", "18"),
        ("La réponse est inconnue, mais 12.", "12"),
        ("<think>La réponse est 5.</think>La réponse est 6.", "6"),
        ("aucune idée", ""),
    ],
)
def test_the_answer_is_the_number_after_the_marker_or_the_last_one(output: str, answer: str) -> None:
    assert answer_in(output, task(language="fr", markers=("La réponse est",))) == answer


def test_expected_numbers_may_be_written_in_another_language_than_the_answers() -> None:
    mgsm = task(language="de", expected_language="en")
    assert expected_answers(mgsm, ["2,125"]) == [answer_in("Es sind 2.125 Euro.", mgsm)] == ["2125"]


def test_gsm8k_expects_what_follows_its_mark() -> None:
    assert expected_answers(task(language="en"), ["2 * 9 = <<2*9=18>>18\n#### 18"]) == ["18"]


def test_texts_are_compared_without_case_and_outer_punctuation() -> None:
    capital = task(match="text", markers=("Answer:",))
    assert answer_in("Well.\nAnswer: **Paris**.\nAnd more.", capital) == expected_answers(capital, ["PARIS"])[0]
    assert answer_in("I think:\nLa  Paz!", capital) == "la paz"
