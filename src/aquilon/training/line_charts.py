"""Line charts over steps, as SVG for a page of `training.report_page`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#3b6ea5", "#c8702a", "#5b8c5a", "#8f5a8f")
_WIDTH, _HEIGHT = 900, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 10, 30
_POINTS = 400
"""More are averaged: an eye sees no more, and the page stays small."""
_TICKS = 5

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
    across, up = _Axis.over(steps), _Axis.over(values)
    parts = [*_grid(across, up)]
    for colour, points in zip(_COLOURS * len(drawn), drawn.values(), strict=False):
        places = [(_x(across, step), _y(up, value)) for step, value in points]
        if len(places) == 1:
            parts.append(f'<circle cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="3" fill="{colour}"/>')
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
    if len(drawn) > 1:
        parts += _legend(list(drawn))
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(caption)}">'
        + "".join(parts)
        + f"</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


class _Axis:
    """A range of values, with round numbers in it."""

    def __init__(self, low: float, high: float, ticks: list[float]) -> None:
        self.low, self.high, self.ticks = low, high, ticks

    @classmethod
    def over(cls, values: Sequence[float]) -> _Axis:
        low, high = min(values), max(values)
        if high == low:
            low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
        rough = (high - low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        apart = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(low / apart)
        return cls(low, high, [index * apart for index in range(first, math.floor(high / apart + 1e-9) + 1)])

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
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_written(tick)}</text>'
        )
    for tick in across.ticks:
        parts.append(f'<text x="{_x(across, tick):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{_written(tick)}</text>')
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], _WIDTH - _RIGHT
    for colour, name in reversed(list(zip(_COLOURS * len(names), names, strict=False))):
        parts.append(f'<text x="{x}" y="{_TOP + 12}" text-anchor="end">{escape(name)}</text>')
        x -= 8 * len(name) + 8
        parts.append(f'<rect x="{x - 10}" y="{_TOP + 2}" width="12" height="12" rx="2" fill="{colour}"/>')
        x -= 24
    return parts


def _averaged(points: Sequence[Point]) -> list[Point]:
    if len(points) <= _POINTS:
        return list(points)
    bounds = [len(points) * part // _POINTS for part in range(_POINTS + 1)]
    groups = [points[bounds[part] : bounds[part + 1]] for part in range(_POINTS)]
    return [
        (sum(step for step, _ in group) / len(group), sum(value for _, value in group) / len(group)) for group in groups
    ]


def _written(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 1000 else f"{value:.4g}"
