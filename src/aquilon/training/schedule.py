"""The learning rate over a run: it rises, stays, and falls to 0 (warmup–stable–decay, arXiv:2404.06395)."""

from __future__ import annotations

import math


def factor(step: int, *, steps: int | None, warmup_steps: int, decay: float) -> float:
    """What the learning rate is multiplied with in a step, counted from 1. ``steps`` None: the end isn't known yet.

    ``decay``: the share of the steps in which it falls.
    """
    rising = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    if steps is None:
        return rising
    falling_steps = math.ceil(steps * decay)
    falling = min(1.0, (steps - step + 1) / (falling_steps + 1)) if falling_steps else 1.0
    return min(rising, falling)
