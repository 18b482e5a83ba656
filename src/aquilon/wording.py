"""Write numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 user``, ``2 users``, ``1,000 entries``: the count with its noun in singular or plural."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def parameters_text(count: int) -> str:
    """``75.3K``, ``135M``, ``24B``, as models are named; empty where a model's parameters aren't known."""
    if not count:
        return ""
    rounded = float(f"{count:.3g}")
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if rounded >= unit:
            return f"{rounded / unit:,.3g}{letter}" if rounded < 1000 * unit else f"{rounded / unit:,.0f}{letter}"
    return f"{rounded:.0f}"


def duration_text(seconds: float) -> str:
    """``under 1 s``, ``45 s``, ``12 min``, ``3 h 20 min``, ``2 days 4 h``."""
    if 0 < seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"
