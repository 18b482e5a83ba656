"""Line charts over steps, as SVG for a page of `training.report_page`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from aquilon.training.report_page import colour, figure

_WIDTH, _HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 10, 28
_POINTS = 400
"""More are averaged: an eye sees no more, and the page stays small."""
_TICKS = 5
_MOST_DIGITS = 5
"""Behind the point."""

Point = tuple[float, float]
"""A step and its value."""


def lines(caption: str, series: Mapping[str, Sequence[Point]]) -> str:
    """A figure with a line for each name; empty for series without points. Values that aren't finite are left out."""
    drawn = {name: _averaged([point for point in points if math.isfinite(point[1])]) for name, points in series.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return ""
    steps = [step for points in drawn.values() for step, _ in points]
    values = [value for points in drawn.values() for _, value in points]
    across, up = _Axis.over(steps, least=1), _Axis.over(values)
    parts = [*_grid(across, up)]
    for number, points in enumerate(drawn.values()):
        places = [(_x(across, step), _y(up, value)) for step, value in points]
        if len(places) == 1:
            fill = f'style="fill: {colour(number)}"'
            parts.append(f'<circle cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="3" {fill}/>')
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke-width="1.8" style="stroke: {colour(number)}"/>')
    return figure(caption, (_WIDTH, _HEIGHT), parts, list(drawn))


class _Axis:
    """A range of values, with round numbers in it."""

    def __init__(self, low: float, high: float, *, apart: float) -> None:
        self.low, self.high = low, high
        first, last = math.ceil(low / apart - 1e-9), math.floor(high / apart + 1e-9)
        self.ticks = [index * apart for index in range(first, last + 1)]
        self._digits = max(0, -math.floor(math.log10(apart) + 1e-9))

    @classmethod
    def over(cls, values: Sequence[float], *, least: float = 0.0) -> _Axis:
        """``least``: what is between two ticks at least."""
        low, high = min(values), max(values)
        if high == low:
            around = least or (abs(low) or 1) * 0.1
            low, high = low - around, high + around
        rough = (high - low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        apart = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        return cls(low, high, apart=max(apart, least))

    def written(self, tick: float) -> str:
        return f"{tick:z,.{self._digits}f}" if self._digits <= _MOST_DIGITS else f"{tick:.2e}"

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def _x(axis: _Axis, step: float) -> float:
    return _LEFT + axis.share(step) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: _Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.share(value) * (_HEIGHT - _TOP - _BOTTOM)


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for tick in up.ticks:
        y = _y(up, tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity=".15"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{up.written(tick)}</text>'
        )
    for tick in across.ticks:
        parts.append(
            f'<text x="{_x(across, tick):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{across.written(tick)}</text>'
        )
    parts.append(f'<text x="0" y="{_HEIGHT - 8}">step</text>')
    return parts


def _averaged(points: Sequence[Point]) -> list[Point]:
    if len(points) <= _POINTS:
        return list(points)
    bounds = [len(points) * part // _POINTS for part in range(_POINTS + 1)]
    groups = [points[bounds[part] : bounds[part + 1]] for part in range(_POINTS)]
    return [
        (sum(step for step, _ in group) / len(group), sum(value for _, value in group) / len(group)) for group in groups
    ]
