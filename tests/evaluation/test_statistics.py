"""Intervals and comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from aquilon.evaluation.results import Evaluation, Measure, QuestionRecord, TextRecord
from aquilon.evaluation.scorecard import scorecard
from aquilon.evaluation.statistics import accuracy, compare, ratio, sign_test, wilson


def evaluation(model: str, records: list[QuestionRecord] | list[TextRecord], **fields: object) -> Evaluation:
    measure = {"accuracy": Measure(value=0.5, count=len(records))}
    if isinstance(records[0], TextRecord):
        measure = {"bits_per_byte": Measure(value=1.0, count=len(records))}
    values: dict[str, object] = {
        "model": model,
        "source": "somewhere",
        "task": "t",
        "definition": {},
        "task_sha256": "same",
        "data": {},
        "settings": {},
        "versions": {},
        "began": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "measures": measure,
        "records": records,
    }
    return Evaluation(**(values | fields))  # type: ignore[arg-type]


def questions(*scores: list[float]) -> list[QuestionRecord]:
    return [
        QuestionRecord(number=number, scores=each, expected="", answers=[]) for number, each in enumerate(scores, 1)
    ]


def test_wilsons_interval_is_that_of_the_literature() -> None:
    none, most = wilson(0, 10), wilson(81, 263)  # Newcombe, 1998
    assert (none.low, none.high) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert (most.low, most.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_an_interval_over_seeds_holds_the_true_rate_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(60):
        rates = generator.beta(2, 2, 120)  # questions of several difficulties, 0.5 on average
        measure = accuracy((generator.random((120, 4)) < rates[:, None]).astype(float).tolist())
        assert measure.low is not None
        assert measure.high is not None
        held += measure.low <= 0.5 <= measure.high
    assert held >= 52


def test_a_ratio_of_sums_isnt_the_mean_of_ratios() -> None:
    assert ratio([10.0, 1.0], [10, 100]).value == pytest.approx(11 / 110)
    assert ratio([3.0], [2]) == Measure(value=1.5, count=1)


def test_the_sign_test_is_mcnemars_exact_test_and_close_to_the_normal_one_for_many() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert sign_test(960, 1040) == pytest.approx(sign_test(961, 1040), rel=0.05)
    assert sign_test(10, 10) == 1.0


def test_a_comparison_says_how_many_questions_decide() -> None:
    first = evaluation("a", questions([1], [1], [1], [0], [1]))
    second = evaluation("b", questions([1], [0], [0], [1], [1]))
    comparison = compare(first, second)
    assert comparison.difference.value == pytest.approx(0.2)
    assert (comparison.better, comparison.worse, comparison.equal, comparison.decided) == (2, 1, 2, 3)
    assert comparison.p_value == 1.0
    assert compare(second, first).difference.value == pytest.approx(-0.2)


def test_models_with_other_numbers_of_seeds_are_compared_by_their_means() -> None:
    comparison = compare(evaluation("a", questions([1, 0], [1, 1])), evaluation("b", questions([1], [0])))
    assert comparison.difference.value == pytest.approx(0.25)
    assert (comparison.better, comparison.worse) == (1, 1)


def test_fewer_bits_per_byte_are_better() -> None:
    def texts(*bits: float) -> list[TextRecord]:
        return [TextRecord(file="f", number=n, language="fr", bits=b, bytes=10, tokens=3) for n, b in enumerate(bits)]

    comparison = compare(evaluation("a", texts(8, 9, 12)), evaluation("b", texts(10, 10, 10)))
    assert comparison.difference.value == pytest.approx(-1 / 30)
    assert (comparison.better, comparison.worse) == (2, 1)


def test_what_did_not_measure_the_same_is_not_compared() -> None:
    with pytest.raises(ValueError, match="did not measure the same"):
        compare(evaluation("a", questions([1])), evaluation("b", questions([1]), task_sha256="other"))


def test_a_scorecard_has_the_five_languages_in_order_with_what_was_measured() -> None:
    texts = [TextRecord(file=name, number=1, language=name, bits=8.0, bytes=8, tokens=2) for name in ("it", "fr", "pt")]
    measures = {
        "bits_per_byte": Measure(value=1.0, count=3),
        "bits_per_byte/it": Measure(value=1.1, count=1),
        "bits_per_byte/fr": Measure(value=0.9, count=1),
    }
    card = scorecard(
        [
            evaluation("m", texts, task="bpb", measures=measures),
            evaluation("m", questions([1]), task="mgsm-fr", language="fr"),
            evaluation("m", questions([1]), task="trivia"),
        ]
    )
    assert [(scores.language, scores.bits_per_byte, list(scores.accuracy)) for scores in card.languages] == [
        ("fr", measures["bits_per_byte/fr"], ["mgsm-fr"]),
        ("it", measures["bits_per_byte/it"], []),
    ]
