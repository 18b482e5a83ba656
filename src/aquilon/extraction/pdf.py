"""PDF files: their text line by line, and OCR of pages that are pictures."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from aquilon.extraction.document import Unreadable
from aquilon.extraction.lines import Line, add_pages
from aquilon.extraction.ocr import OCR_DOTS_PER_INCH, Ocr, Picture
from aquilon.extraction.reading import Reading

_LINE_ENDS = re.compile("(\r\n|\r|\n|\ufffe|\x02)")
_HYPHENS = "\ufffe\x02"
"""What PDFium has in place of a hyphen at the end of a line and the line's end."""
_UNMAPPED = re.compile("[\ufffd\ue000-\uf8ff\0]")
_MOST_UNMAPPED = 0.5
"""Of a page's characters."""
_NESTED_FORMS = 3
_MOST_PIXELS = 30_000_000
_INSTALL = "install tesseract-ocr and its languages, such as Debian's tesseract-ocr-fra,"


def read_pdf(path: Path, reading: Reading) -> None:
    """Blocks with the page that each begins on. Raises Unreadable."""
    document = _opened(path)
    try:
        reading.pages = len(document)
        reading.title = document.get_metadata_value("Title")
        pages = _pages(document, reading)
        add_pages(pages, reading)
    finally:
        document.close()


def _opened(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            message = "This PDF is encrypted with a password that is needed to open it: save it without one"
            raise Unreadable("encrypted", message) from None
        raise Unreadable("damaged", f"This PDF is damaged and can't be opened ({error})") from None


def _pages(document: pdfium.PdfDocument, reading: Reading) -> list[list[Line]]:
    """The lines of each page, as far as the limits allow. Raises Unreadable if no page can be read."""
    total = len(document)
    pages: list[list[Line]] = []
    scans = _Scans(reading)
    broken = characters = 0
    for index in range(min(total, reading.limits.pages)):
        if characters > reading.limits.text_bytes:
            break
        lines = _page(document, index, scans)
        if lines is None:
            reading.note("pages_without_text")
            broken += 1
            lines = []
        pages.append(lines)
        characters += sum(len(line.text) for line in lines)
        reading.progress(index + 1, total)
    if len(pages) < total:
        reading.note("truncated")
    if not any(pages):
        scans.explain()
        if broken:
            raise Unreadable("damaged", f"This PDF is damaged: {broken:,} of its {total:,} pages can't be opened")
    return pages


def _page(document: pdfium.PdfDocument, index: int, scans: _Scans) -> list[Line] | None:
    """None for a page that can't be opened."""
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return None
    lines = _lines(page)
    if lines is None or (not lines and _is_picture(page)):
        lines = scans.lines(page)
    page.close()
    return lines


class _Scans:
    """Reads pages that are pictures, where OCR is installed; it is looked for when the first one comes."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._count = 0

    @cached_property
    def _ocr(self) -> Ocr | None:
        return Ocr.installed(self._reading.limits)

    def lines(self, page: pdfium.PdfPage) -> list[Line]:
        """Without OCR, or time for it, a page has no lines, which a note says."""
        self._count += 1
        lines: list[Line] = []
        if self._ocr is not None and self._ocr.has_time():
            lines = self._ocr.lines(_picture(page))
            self._reading.note("ocr_used")
        elif self._ocr is not None:
            self._reading.note("truncated")
        if not lines:
            self._reading.note("pages_without_text")
        return lines

    def explain(self) -> None:
        """Raises Unreadable if there were pictures, and no OCR for them."""
        if self._count and self._ocr is None:
            raise Unreadable(
                "no_text",
                f"This PDF is scanned: its pages are pictures without text. To have them read, {_INSTALL} here",
                {"pages": self._count},
            )


def _lines(page: pdfium.PdfPage) -> list[Line] | None:
    """None for a page whose fonts don't say which letters its shapes are."""
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range()
        visible = len(text) - text.count("\n") - text.count("\r") - text.count(" ")
        if visible and len(_UNMAPPED.findall(text)) > _MOST_UNMAPPED * visible:
            return None
        return list(_measured(text, text_page))
    finally:
        text_page.close()


def _measured(text: str, text_page: pdfium.PdfTextPage) -> Iterator[Line]:
    """The lines of a page's text with their places on the page."""
    start = 0
    pieces = _LINE_ENDS.split(text)
    for position in range(0, len(pieces), 2):
        piece = pieces[position]
        end = pieces[position + 1] if position + 1 < len(pieces) else ""
        if shown := piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            begin, close = _box(text_page, first), _box(text_page, first + len(shown) - 1)
            is_leftward = close.left < begin.left
            yield Line(
                shown,
                left=-begin.right if is_leftward else begin.left,
                right=-close.left if is_leftward else close.right,
                baseline=_baseline(text_page, first),
                size=median(_size(text_page, first + place) for place in _samples(shown)),
                is_hyphenated=end != "" and end in _HYPHENS,
            )
        start += len(piece) + len(end)


def _samples(text: str) -> tuple[int, ...]:
    """Places in a line whose median size is the text's, not that of a bullet, a word of code or a footnote's mark."""
    places = (len(text) * quarter // 4 for quarter in (1, 2, 3))
    return tuple(place + 1 if text[place] == " " else place for place in places)


def _box(text_page: pdfium.PdfTextPage, position: int) -> raw.FS_RECTF:
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(text_page, _index(text_page, position), box)
    return box


def _baseline(text_page: pdfium.PdfTextPage, position: int) -> float:
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(text_page, _index(text_page, position), x, y)
    return y.value


def _size(text_page: pdfium.PdfTextPage, position: int) -> float:
    """The font's size on the page, in points."""
    matrix = raw.FS_MATRIX()
    index = _index(text_page, position)
    raw.FPDFText_GetMatrix(text_page, index, matrix)
    return float(raw.FPDFText_GetFontSize(text_page, index)) * math.hypot(matrix.c, matrix.d)


def _index(text_page: pdfium.PdfTextPage, position: int) -> int:
    return int(raw.FPDFText_GetCharIndexFromTextIndex(text_page, position))


def _is_picture(page: pdfium.PdfPage) -> bool:
    images = page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=_NESTED_FORMS)
    return next(iter(images), None) is not None


def _picture(page: pdfium.PdfPage) -> Picture:
    """The page in shades of grey, at the resolution that OCR reads best, or less for a very large page."""
    width, height = page.get_size()
    scale = min(OCR_DOTS_PER_INCH / 72, math.sqrt(_MOST_PIXELS / max(1.0, width * height)))
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        rows = memoryview(bitmap.buffer).cast("B")
        lines = (
            bytes(rows[start : start + bitmap.width])
            for start in range(0, bitmap.height * bitmap.stride, bitmap.stride)
        )
        return Picture(bitmap.width, bitmap.height, b"".join(lines))
    finally:
        bitmap.close()
