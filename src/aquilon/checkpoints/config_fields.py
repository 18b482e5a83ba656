"""Checked values of a configuration file; an error names the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def integer(values: Mapping[str, Any], name: str, default: int, *, at_least: int = 1, at_most: int = 2**31) -> int:
    """A field's whole number; ``default`` if it is absent or null. Raises ValueError, which names the field."""
    value = values.get(name)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
        raise ValueError(f"{name} is {value!r:.60}: it must be a whole number from {at_least} to {at_most}")
    return value


def number(values: Mapping[str, Any], name: str, default: float, *, above: float = -math.inf) -> float:
    """A field's finite number; ``default`` if it is absent or null. Raises ValueError, which names the field."""
    value = values.get(name)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e30 or not value > above:
        raise ValueError(f"{name} is {value!r:.60}: it must be a number" + (f" above {above}" if above > -1 else ""))
    return float(value)


def flag(values: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A field's truth value; ``default`` if it is absent or null. Raises ValueError, which names the field."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r:.60}: it must be true or false")
    return value
