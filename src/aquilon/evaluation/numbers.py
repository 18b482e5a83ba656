"""Numbers as five languages write them: ``1,234.5``, ``1 234,5``, ``1.234,5``, ``1'234.5``."""

from __future__ import annotations

import re
from decimal import Decimal

_SPACES = "\u00a0\u2009\u202f"
"""Spaces that don't break a line: they belong to a number in any language."""

_NUMBER = re.compile(
    rf"(?<![\w.,])(?P<minus>[-\u2212\u2013]\s?)?"
    rf"(?P<digits>\d{{1,3}}(?:[ {_SPACES}'\u2019]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*)"
)
_MINUS = re.compile(r"(?<=[\w)])\s?$")
"""Before a sign: a number or a word, from which the sign subtracts."""

_THOUSANDS = {"en": ",", "fr": ".", "de": ".", "es": ".", "it": "."}
"""The mark that groups thousands, where a number alone doesn't tell: ``1.500`` in English is one and a half."""


def numbers_in(text: str, language: str | None) -> list[Decimal]:
    """The numbers of a text in order, read as this language writes them; None reads them as English does."""
    found: list[Decimal] = []
    for match in _NUMBER.finditer(text):
        first = len(found)
        found += [_value(part, language) for part in _parts(match["digits"], language)]
        if match["minus"] and not _MINUS.search(text[: match.start()]):
            found[first] = -found[first]
    return found


def _parts(digits: str, language: str | None) -> list[str]:
    """What looks like one number and may be a list: ``3,4,5``, and in English ``2 300``, whose space groups nothing."""
    if " " in digits and language in (None, "en"):
        return digits.split(" ")
    for mark in ".,":
        _, *groups = digits.split(mark)
        if len(groups) > 1 and any(len(group) != 3 for group in groups[:-1]):
            return digits.split(mark)
    return [digits]


def _value(digits: str, language: str | None) -> Decimal:
    digits = re.sub(rf"[ {_SPACES}'\u2019]", "", digits)
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        decimal = max(".", ",", key=digits.rfind)
        if digits.count(decimal) > 1:  # 1.234,567,890: neither can be a decimal mark
            decimal = ""
    elif points + commas > 1:
        decimal = ""
    else:
        mark = "." if points else ","
        decimal = "" if _groups(digits, mark) and mark == _THOUSANDS.get(language or "en", ",") else mark
    whole, _, fraction = digits.rpartition(decimal) if decimal and decimal in digits else (digits, "", "")
    whole = whole.replace(".", "").replace(",", "")
    return Decimal(f"{whole}.{fraction}" if fraction else whole or "0")


def _groups(digits: str, mark: str) -> bool:
    """Whether the mark can separate thousands."""
    first, found, last = digits.partition(mark)
    return bool(found) and len(last) == 3 and 1 <= len(first) <= 3 and first != "0"
