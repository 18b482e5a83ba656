"""Ratings from votes: the law of the model, its intervals, and what it doesn't do with ties."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aquilon.chat.leaderboard import FEW_VOTES, Rating, ratings

Tally = tuple[str, str, str, int]


def by_player(tallies: list[Tally]) -> dict[str, Rating]:
    return {rating.player: rating for rating in ratings(tallies)}


def test_nobody_is_rated_without_votes() -> None:
    assert ratings([]) == []


def test_equal_players_have_equal_ratings_around_the_mean() -> None:
    board = by_player([("a", "b", "left", 10), ("a", "b", "right", 10)])
    assert board["a"].rating == pytest.approx(1000)
    assert board["b"].rating == pytest.approx(1000)


def test_ten_to_one_is_about_four_hundred_points() -> None:
    board = by_player([("a", "b", "left", 1000), ("a", "b", "right", 100)])
    assert board["a"].rating - board["b"].rating == pytest.approx(400, abs=4)


def test_a_tie_and_both_bad_are_half_a_vote_for_each() -> None:
    ties = by_player([("a", "b", "left", 5), ("a", "b", "tie", 4), ("a", "b", "both_bad", 2)])
    halves = by_player([("a", "b", "left", 8), ("a", "b", "right", 3)])
    assert ties["a"].rating == pytest.approx(halves["a"].rating)
    assert (ties["a"].wins, ties["a"].votes) == (8, 11)


def test_the_side_makes_no_difference() -> None:
    assert by_player([("a", "b", "left", 7)]) == by_player([("b", "a", "right", 7)])


def test_a_player_who_won_every_vote_has_a_finite_rating_and_few_votes_are_called_preliminary() -> None:
    best = by_player([("a", "b", "left", 3)])["a"]
    assert 1000 < best.rating < 3000
    assert best.low < 1000 < best.high
    assert best.preliminary
    assert not by_player([("a", "b", "left", FEW_VOTES)])["a"].preliminary


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**32), st.integers(2, 20))
def test_stronger_players_rank_higher_and_intervals_shrink_with_votes(players: int, seed: int, factor: int) -> None:
    """Each pair's votes follow the strengths, so that the order of the strengths must come out."""
    chance = random.Random(seed)
    strengths = sorted((chance.uniform(-2, 2) for _ in range(players)), reverse=True)
    names = [f"player {number}" for number in range(players)]

    def tallies(votes: int) -> list[Tally]:
        pairs = itertools.combinations(range(players), 2)
        rows: list[Tally] = []
        for i, j in pairs:
            odds = 10 ** (strengths[i] - strengths[j])
            wins = round(votes * odds / (1 + odds))
            rows += [(names[i], names[j], "left", wins), (names[i], names[j], "right", votes - wins)]
        return rows

    few, many = by_player(tallies(1000)), by_player(tallies(1000 * factor))
    for i, j in itertools.combinations(range(players), 2):
        if strengths[i] - strengths[j] > 0.01:
            assert many[names[i]].rating > many[names[j]].rating
    for name in names:
        assert many[name].high - many[name].low < few[name].high - few[name].low
        assert many[name].low < many[name].rating < many[name].high
