"""Reports as one HTML file that needs no other: tables, and charts drawn as SVG."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

_COLOURS = (
    ("#3b6ea5", "#7db0e3"),
    ("#b45f22", "#e8955a"),
    ("#4a7a49", "#8cc08a"),
    ("#8f5a8f", "#cf9ccf"),
    ("#6f6960", "#b3aca0"),
    ("#b0413e", "#ec8a86"),
)
"""On a light and on a dark page."""
_STYLE = """
:root { color-scheme: light dark; --rule: light-dark(#d8d4cb, #44413a); --soft: light-dark(#6b675f, #a8a399); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } p { color: var(--soft); }
h1 { overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem 2rem; }
figure { margin: 1.5rem 0; max-width: 34rem; } .charts figure { margin: 0; } figcaption { font-weight: 600; }
svg { display: block; width: 100%; height: auto; margin-top: .4rem; } svg text { font-size: 13px; fill: currentColor; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .3rem 0 0; font-size: .9rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem; }
.wide { overflow-x: auto; margin: 1.5rem 0; } .number { text-align: right; }
.facts .number { text-align: left; } td.number { white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
td.text { min-width: 14rem; }
@media (max-width: 40rem) { th, td { padding-right: .8rem; font-size: .9rem; } td.text { min-width: 11rem; } }
"""
_WIDTH, _LABEL, _BAR, _GAP, _VALUE = 420, 112, 14, 10, 62
_LABEL_CHARACTERS = 16
_TEXT = 24
"""Characters from which on a cell is text that may be broken."""

Cell = str | int | float


def colour(number: int) -> str:
    """The CSS of a chart's colour of this number."""
    return "light-dark({}, {})".format(*_COLOURS[number % len(_COLOURS)])


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page from sections that are HTML already."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{escape(title)}</h1>\n" + "\n".join(sections) + "\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A part of the page under its heading; empty where all of its parts are."""
    return "\n".join([f"<h2>{escape(title)}</h2>", *parts]) if any(parts) else ""


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Numbers stand to the right, with groups of three, or with three digits behind the point. Empty without rows."""
    if not rows:
        return ""
    named = "".join(f"<th{_side(cell)}>{escape(name)}</th>" for name, cell in zip(columns, rows[0], strict=True))
    head = f"<thead><tr>{named}</tr></thead>"
    body = "\n".join("<tr>" + "".join(f"<td{_side(cell)}>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table>\n{head}\n<tbody>\n{body}\n</tbody>\n</table></div>'


def facts(rows: Sequence[tuple[str, Cell]]) -> str:
    """A table of names and their values; empty without any."""
    body = "\n".join(f"<tr><td>{escape(name)}</td><td{_side(cell)}>{_cell(cell)}</td></tr>" for name, cell in rows)
    return f'<div class="wide" tabindex="0"><table class="facts">\n{body}\n</table></div>' if rows else ""


def _cell(cell: Cell) -> str:
    """A long name may be broken at its underscores and slashes."""
    return re.sub(r"([_/])(?=\w)", r"\1<wbr>", escape(_written(cell)))


def _side(cell: Cell) -> str:
    if isinstance(cell, str):
        return ' class="text"' if len(cell) > _TEXT and " " in cell else ""
    return ' class="number"'


def figure(caption: str, size: tuple[int, int], drawn: Iterable[str], names: Sequence[str]) -> str:
    """A chart under its caption; ``names``: those of its colours, where it has several."""
    width, height = size
    legend = "".join(
        f'<span><i style="background: {colour(number)}"></i>{escape(name)}</span>' for number, name in enumerate(names)
    )
    return (
        f'<figure><figcaption>{escape(caption)}</figcaption><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(caption)}">{"".join(drawn)}</svg>'
        + (f'<div class="legend">{legend}</div>' if len(names) > 1 else "")
        + "</figure>"
    )


def charts(figures: Iterable[str]) -> str:
    """Figures side by side where there is room; empty ones are left out."""
    drawn = "".join(figures)
    return f'<div class="charts">{drawn}</div>' if drawn else ""


def bars(caption: str, groups: Mapping[str, Mapping[str, float]], written: Callable[[float], str] | None = None) -> str:
    """Horizontal bars: a group of them under each label, a colour for each name in it."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    largest = max((value for values in groups.values() for value in values.values()), default=0) or 1
    drawn, y = [], 4
    for label, values in groups.items():
        short = label if len(label) <= _LABEL_CHARACTERS else f"{label[: _LABEL_CHARACTERS - 1]}…"
        drawn.append(f'<text x="0" y="{y + _BAR - 2}">{escape(short)}</text>')
        for name, value in values.items():
            length = max(1.0, (_WIDTH - _LABEL - _VALUE) * value / largest)
            fill = f'style="fill: {colour(names.index(name))}"'
            drawn.append(f'<rect x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" {fill}/>')
            text = escape((written or _written)(value))
            drawn.append(f'<text x="{_LABEL + length + 6:.1f}" y="{y + _BAR - 2}">{text}</text>')
            y += _BAR + 3
        y += _GAP
    return figure(caption, (_WIDTH, y), drawn, names)


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.3f}"
