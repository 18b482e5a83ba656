"""Numbers in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_doctor import look

from aquilon.wording import counted, parameters_text


@pytest.mark.parametrize(("count", "says"), [(0, "0 users"), (1, "1 user"), (2, "2 users"), (1000, "1,000 users")])
def test_a_noun_is_as_its_number_wants_it(count: int, says: str) -> None:
    assert counted(count, "user") == says


def test_an_irregular_plural_is_given() -> None:
    assert (counted(1, "entry", "entries"), counted(3, "entry", "entries")) == ("1 entry", "3 entries")


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, ""),
        (812, "812"),
        (75_300, "75.3K"),
        (999_600, "1M"),
        (135_000_000, "135M"),
        (999_900_000, "1B"),
        (24_100_000_000, "24.1B"),
        (1_040_000_000_000, "1,040B"),
    ],
)
def test_parameters_are_counted_in_the_unit_that_leaves_three_digits(count: int, says: str) -> None:
    assert parameters_text(count) == says


def test_doctor_counts_one_user(prepared: Path) -> None:
    assert "1 user, 1 API key" in look("database", prepared).finding
