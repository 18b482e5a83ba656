"""Text out of pictures by Debian's ``tesseract``, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import time

import msgspec

from aquilon.extraction.limits import Limits
from aquilon.extraction.lines import Line

OCR_DOTS_PER_INCH = 300
_USUAL = ("eng", "fra", "deu", "spa", "ita")
_MOST_LANGUAGES = 6
"""Each makes it slower; the usual ones come first."""
_SHARE_OF_TIME = 0.9
_LIST_SECONDS = 20
_POINT = OCR_DOTS_PER_INCH / 72
_MOST_OUTPUT_CHARACTERS = 1_000_000
_WORD_LEVEL = "5"


class Picture(msgspec.Struct, frozen=True):
    width: int
    height: int
    grey: bytes
    """A byte for each pixel, row by row."""

    def as_pgm(self) -> bytes:
        return b"P5 %d %d 255\n" % (self.width, self.height) + self.grey


class Ocr:
    def __init__(self, program: str, languages: list[str], limits: Limits) -> None:
        self._command = [program, "stdin", "stdout", "-l", "+".join(languages), "--dpi", str(OCR_DOTS_PER_INCH), "tsv"]
        self._ends_at = time.monotonic() + _SHARE_OF_TIME * limits.wall_seconds

    @classmethod
    def installed(cls, limits: Limits) -> Ocr | None:
        """None where there is no tesseract, or no language for it."""
        program = shutil.which("tesseract")
        if program is None:
            return None
        try:
            listed = subprocess.run([program, "--list-langs"], capture_output=True, timeout=_LIST_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        names = listed.stdout.decode(errors="replace").split("\n")[1:]
        languages = [name for name in names if name and "/" not in name and name not in ("osd", "equ")]
        languages.sort(key=lambda name: (_USUAL.index(name) if name in _USUAL else len(_USUAL), name))
        return cls(program, languages[:_MOST_LANGUAGES], limits) if languages else None

    def has_time(self) -> bool:
        return time.monotonic() < self._ends_at

    def lines(self, picture: Picture) -> list[Line]:
        """The lines of text in a picture of a page; none if tesseract fails on it or takes too long."""
        try:
            done = subprocess.run(
                self._command,
                input=picture.as_pgm(),
                capture_output=True,
                timeout=max(1.0, self._ends_at - time.monotonic()),
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return []
        return lines_of(done.stdout[: 8 * _MOST_OUTPUT_CHARACTERS].decode(errors="replace"))


def lines_of(table: str) -> list[Line]:
    """Lines out of tesseract's table of words, whose columns end with left, top, width, height, confidence and text."""
    lines: dict[tuple[str, ...], list[tuple[float, float, float, float, str]]] = {}
    for row in table.split("\n")[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == _WORD_LEVEL and cells[11].strip():
            left, top, width, height = (int(cell) / _POINT for cell in cells[6:10])
            lines.setdefault(tuple(cells[1:5]), []).append((left, top, left + width, top + height, cells[11].strip()))
    return [_line(words) for words in lines.values()]


def _line(words: list[tuple[float, float, float, float, str]]) -> Line:
    text = " ".join(word for *_, word in words)
    is_hyphenated = len(text) > 1 and text[-1] in "-\u00ad" and text[-2].isalpha()
    heights = sorted(bottom - top for _, top, _, bottom, _ in words)
    return Line(
        text[:-1] if is_hyphenated else text,
        left=min(left for left, *_ in words),
        right=max(right for _, _, right, _, _ in words),
        baseline=-max(bottom for *_, bottom, _ in words),
        size=heights[len(heights) // 2],
        is_hyphenated=is_hyphenated,
        is_measured=False,
    )
