"""The width of a text in Helvetica, by the metrics that every PDF reader has for its standard fonts.

Widths are thousandths of the type size, from Adobe's font metrics, for the characters
of the Windows-1252 encoding. Any other character is shown as ``?``.
"""

from __future__ import annotations

from functools import cache

_REGULAR: dict[int, str] = {
    191: "'",
    222: "ijl‚‘’",
    260: "|¦",
    278: " !,./:;I[\\]ft\u00a0·ÌÍÎÏìíîï",
    333: "()-`r„ˆ‹“”˜›¡¨\u00ad¯²³´¸¹",
    334: "{}",
    350: "•",
    355: '"',
    365: "º",
    370: "ª",
    389: "*",
    400: "°",
    469: "^",
    500: "Jcksvxyzšžçýÿ",
    537: "¶",
    556: "#$0123456789?L_abdeghnopqu€ƒ†‡–¢£¤¥§«µ»àáâãäåèéêëðñòóôõöùúûüþ",
    584: "+<=>~¬±×÷",
    611: "FTZŽ¿ßø",
    667: "&ABEKPSVXYŠŸÀÁÂÃÄÅÈÉÊËÝÞ",
    722: "CDHNRUwÇÐÑÙÚÛÜ",
    737: "©®",
    778: "GOQÒÓÔÕÖØ",
    833: "Mm",
    834: "¼½¾",
    889: "%æ",
    944: "Wœ",
    1000: "…‰Œ—™Æ",
    1015: "@",
}
_BOLD: dict[int, str] = {
    238: "'",
    278: " ,./I\\ijl‚‘’\u00a0·ÌÍÎÏìíîï",
    280: "|¦",
    333: "!()-:;[]`ftˆ‹˜›¡¨\u00ad¯²³´¸¹",
    350: "•",
    365: "º",
    370: "ª",
    389: "*r{}",
    400: "°",
    474: '"',
    500: "z„“”ž",
    556: "#$0123456789J_aceksvxy€ƒ†‡–š¢£¤¥§«¶»àáâãäåçèéêëýÿ",
    584: "+<=>^~¬±×÷",
    611: "?FLTZbdghnopquŽµ¿ßðñòóôõöøùúûüþ",
    667: "EPSVXYŠŸÈÉÊËÝÞ",
    722: "&ABCDHKNRUÀÁÂÃÄÅÇÐÑÙÚÛÜ",
    737: "©®",
    778: "GOQwÒÓÔÕÖØ",
    833: "M",
    834: "¼½¾",
    889: "%mæ",
    944: "Wœ",
    1000: "…‰Œ—™Æ",
    1072: "@",
}


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width in points of a text in type of ``size`` points."""
    widths = _widths(bold)
    question_mark = widths["?"]
    return sum(widths.get(character, question_mark) for character in text) * size / 1000


def wrapped(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """Lines of at most ``room`` points, broken at spaces, otherwise after ``-_/.:@``, otherwise within a word."""
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if text_width((line + piece).rstrip(), size, bold=bold) <= room:
            line += piece
            continue
        if line.strip():
            lines.append(line.rstrip())
        line = piece.lstrip()
        while text_width(line.rstrip(), size, bold=bold) > room and len(line) > 1:
            end = next(
                (end for end in range(len(line) - 1, 1, -1) if text_width(line[:end], size, bold=bold) <= room), 1
            )
            lines.append(line[:end])
            line = line[end:]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """The text's parts between which a line may be broken."""
    pieces = [""]
    for character in text:
        pieces[-1] += character
        if character in " -_/.:@":
            pieces.append("")
    return [piece for piece in pieces if piece]


@cache
def _widths(bold: bool) -> dict[str, int]:
    table = _BOLD if bold else _REGULAR
    return {character: width for width, characters in table.items() for character in characters}
