"""Bradley and Terry's model of votes between pairs: who is stronger, and how sure that is.

Each player has a strength; the chance that one is preferred to another is the logistic
function of the difference (Bradley and Terry, 1952). A tie, or "both bad", is half a vote for each. A weak normal
prior keeps the strength of a player finite who won every vote. Intervals are the normal
approximation at the maximum: the inverse of the information, which grows with each vote.
Strengths are shown as Elo's ratings: 400 points are odds of ten to one, and the mean is 1000.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

FEW_VOTES = 30
"""A rating from fewer votes is called preliminary."""
_PRIOR_DEVIATION = 3.0
"""Of a strength, in natural log odds: about 520 points of a rating."""
_POINTS = 400 / math.log(10)
_MEAN = 1000.0
_QUANTILE = 1.959964
"""Of the normal distribution, for 95 % in the middle."""
_MOST_STEPS = 100
_PRECISION = 1e-9


@dataclass(frozen=True)
class Rating:
    player: str
    rating: float
    low: float
    high: float
    """The ends of the 95 % interval."""
    votes: int
    wins: float
    """Ties count one half."""

    @property
    def preliminary(self) -> bool:
        return self.votes < FEW_VOTES


def ratings(tallies: Iterable[tuple[str, str, str, int]]) -> list[Rating]:
    """The players, best first. A tally: left and right player, ``left``, ``right``, ``tie`` or ``both_bad``, and how
    many voted so."""
    import numpy as np

    tallies = list(tallies)
    players = sorted({player for left, right, _, _ in tallies for player in (left, right)})
    if not players:
        return []
    place = {player: number for number, player in enumerate(players)}
    size = len(players)
    wins = np.zeros((size, size))
    counts = np.zeros((size, size))
    for left, right, choice, votes in tallies:
        i, j = place[left], place[right]
        for_left = {"left": 1.0, "right": 0.0}.get(choice, 0.5) * votes
        wins[i, j] += for_left
        wins[j, i] += votes - for_left
        counts[i, j] += votes
        counts[j, i] += votes
    prior = 1 / _PRIOR_DEVIATION**2
    strengths = np.zeros(size)
    information = np.eye(size) * prior
    for _ in range(_MOST_STEPS):
        chances = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
        slope = (wins - counts * chances).sum(axis=1) - prior * strengths
        weights = counts * chances * (1 - chances)
        information = np.diag(weights.sum(axis=1) + prior) - weights
        step = np.linalg.solve(information, slope)
        strengths += np.clip(step, -2, 2)  # far from the maximum, a whole step may go beyond it
        if np.abs(step).max() < _PRECISION:
            break
    centring = np.eye(size) - 1 / size
    deviations = np.sqrt(np.diag(centring @ np.linalg.inv(information) @ centring).clip(min=0))
    centred = strengths - strengths.mean()
    board = [
        Rating(
            player=player,
            rating=_MEAN + _POINTS * float(centred[number]),
            low=_MEAN + _POINTS * float(centred[number] - _QUANTILE * deviations[number]),
            high=_MEAN + _POINTS * float(centred[number] + _QUANTILE * deviations[number]),
            votes=int(counts[number].sum()),
            wins=float(wins[number].sum()),
        )
        for player, number in place.items()
    ]
    return sorted(board, key=lambda rating: (-rating.rating, rating.player))
