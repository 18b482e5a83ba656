"""The learning rate over a run."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from aquilon.training.schedule import factor


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [factor(step, steps=100, warmup_steps=10, decay=0.2) for step in range(1, 101)]
    assert rates[:10] == [step / 10 for step in range(1, 11)]
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == [(100 - step + 1) / 21 for step in range(81, 101)]


@given(st.integers(1, 10_000), st.integers(0, 100), st.floats(0, 1))
def test_every_step_has_a_rate_above_0_and_at_most_1(steps: int, warmup_steps: int, decay: float) -> None:
    for step in (1, steps // 2 + 1, steps):
        assert 0 < factor(step, steps=steps, warmup_steps=warmup_steps, decay=decay) <= 1


@given(st.integers(1, 5_000), st.floats(0.01, 0.99))
def test_the_end_may_become_known_when_the_rate_begins_to_fall(step: int, decay: float) -> None:
    """A run by minutes: the steps before had the rate that they would have had with the end known."""
    steps = step + 1
    while steps - math.ceil(steps * decay) < step:
        steps += 1
    for taken in {1, step // 2 + 1, step}:
        unknown = factor(taken, steps=None, warmup_steps=20, decay=decay)
        assert factor(taken, steps=steps, warmup_steps=20, decay=decay) == unknown
