"""Reports as one HTML file that needs no other: tables, and charts drawn as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --rule: light-dark(#d8d4cb, #44413a); --soft: light-dark(#6b675f, #a8a399); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } p, figcaption { color: var(--soft); }
figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; } svg text { font-size: 13px; fill: currentColor; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
table { margin: 1.5rem 0; } .number { text-align: right; }
th, td { padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
"""
_COLOURS = ("#3b6ea5", "#c8702a", "#5b8c5a", "#8f5a8f", "#8a8378", "#b0413e")
_WIDTH, _LABEL, _BAR, _GAP = 900, 220, 14, 12

Cell = str | int | float


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page from sections that are HTML already."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{escape(title)}</h1>\n" + "\n".join(sections) + "\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Numbers stand to the right, with thin groups of three, or with three digits behind the point."""
    first = rows[0] if rows else [""] * len(columns)
    head = "".join(f"<th{_side(cell)}>{escape(name)}</th>" for name, cell in zip(columns, first, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{_side(cell)}>{escape(_written(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _side(cell: Cell) -> str:
    return "" if isinstance(cell, str) else ' class="number"'


def bars(caption: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars: a group of them under each label, a colour for each name in it."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    largest = max((value for values in groups.values() for value in values.values()), default=0) or 1
    drawn, y = [], 4
    for label, values in groups.items():
        drawn.append(f'<text x="0" y="{y + _BAR - 2}">{escape(label[:34])}</text>')
        for name, value in values.items():
            length = max(1.0, (_WIDTH - _LABEL - 110) * value / largest)
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            drawn.append(f'<rect x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>')
            drawn.append(f'<text x="{_LABEL + length + 6:.1f}" y="{y + _BAR - 2}">{escape(_written(value))}</text>')
            y += _BAR + 3
        y += _GAP
    if len(names) > 1:
        x = _LABEL
        for number, name in enumerate(names):
            colour = _COLOURS[number % len(_COLOURS)]
            drawn.append(f'<rect x="{x}" y="{y}" width="{_BAR}" height="{_BAR}" rx="2" fill="{colour}"/>')
            drawn.append(f'<text x="{x + _BAR + 5}" y="{y + _BAR - 2}">{escape(name)}</text>')
            x += 40 + 8 * len(name)
        y += _BAR + _GAP
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {y}" role="img" aria-label="{escape(caption)}">'
        + "".join(drawn)
        + f"</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _written(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,}".replace(",", "\u202f") if isinstance(cell, int) else f"{cell:.3f}"
