"""Small documents made for tests: PDF by pydyf, office files as archives of hand-written parts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydyf

from aquilon.extraction.document import Document
from aquilon.extraction.limits import Limits
from aquilon.extraction.read import read

_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

Placed = tuple[float, float, float, str]
"""A line on a page: points from the left and from below, size, text."""


def read_bytes(folder: Path, data: bytes, name: str = "document", *, limits: Limits | None = None) -> Document:
    """What is read out of a file with these bytes, in this process."""
    path = folder / "stored"
    path.write_bytes(data)
    return read(path, name=name, limits=limits or Limits(), on_progress=lambda share: None)


def pdf(pages: Sequence[Sequence[Placed]], *, title: str = "", meanings: Mapping[str, str] | None = None) -> bytes:
    """Pages of A4 in Helvetica; texts are of Windows-1252.

    With ``meanings`` the font says, as a subset of another font does, that letters mean these characters.
    """
    file = pydyf.PDF()
    font = pydyf.Dictionary(
        {"Type": "/Font", "Subtype": "/Type1", "BaseFont": "/Helvetica", "Encoding": "/WinAnsiEncoding"}
    )
    if meanings is not None:
        pairs = [b"<%02X> <%04X>" % (ord(letter), ord(meant)) for letter, meant in meanings.items()]
        table = pydyf.Stream([b"%d beginbfchar" % len(pairs), *pairs, b"endbfchar"])
        file.add_object(table)
        font["ToUnicode"] = table.reference
    file.add_object(font)
    if title:
        file.info["Title"] = pydyf.String(title)
    resources = pydyf.Dictionary({"Font": pydyf.Dictionary({"F1": font.reference})})
    for page in pages:
        stream = pydyf.Stream()
        for left, bottom, size, text in page:
            escaped = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
            stream.stream.append(b"BT /F1 %g Tf %g %g Td (%b) Tj ET" % (size, left, bottom, escaped))
        file.add_object(stream)
        file.add_page(
            pydyf.Dictionary(
                {
                    "Type": "/Page",
                    "Parent": file.pages.reference,
                    "MediaBox": pydyf.Array([0, 0, 595, 842]),
                    "Contents": stream.reference,
                    "Resources": resources,
                }
            )
        )
    written = io.BytesIO()
    file.write(written)
    return written.getvalue()


def paragraph(text: str, *, top: float, size: float = 11, left: float = 72) -> list[Placed]:
    """The lines of a text one below the other."""
    return [(left, top - 1.3 * size * number, size, line) for number, line in enumerate(text.split("\n"))]


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return written.getvalue()


def relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    """By id, the last word of the type and the target."""
    return (
        f'<Relationships xmlns="{_RELATIONSHIPS}">'
        + "".join(
            f'<Relationship Id="{id_}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
            for id_, (kind, target) in targets.items()
        )
        + "</Relationships>"
    )


def xlsx(sheets: Mapping[str, str], *, hidden: Sequence[str] = ()) -> dict[str, str | bytes]:
    """The parts of a workbook whose sheets have these rows as XML; style 1 is a date."""
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}" state="{"hidden" if name in hidden else "visible"}"/>'
        for n, name in enumerate(sheets, 1)
    )
    formats = '<xf numFmtId="0"/><xf numFmtId="14"/>'
    return {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": relationships({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships(
            {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)}
            | {"styles": ("styles", "styles.xml")}
        ),
        "xl/styles.xml": f'<styleSheet xmlns="{_SHEETS}"><cellXfs>{formats}</cellXfs></styleSheet>',
        **{
            f"xl/worksheets/sheet{n}.xml": f'<worksheet xmlns="{_SHEETS}"><sheetData>{rows}</sheetData></worksheet>'
            for n, rows in enumerate(sheets.values(), 1)
        },
    }


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'
