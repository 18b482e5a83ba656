"""Which format a file has, by its content; a name alone never decides."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePath

from aquilon.extraction.document import Unreadable

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
HTML = "text/html"
MARKDOWN = "text/markdown"
CSV = "text/csv"
TSV = "text/tab-separated-values"
MAIL = "message/rfc822"
PLAIN = "text/plain"

READERS = {
    PDF: ("pdf", "read_pdf"),
    DOCX: ("docx", "read_docx"),
    PPTX: ("pptx", "read_pptx"),
    XLSX: ("sheets", "read_sheets"),
    ODT: ("odt", "read_odt"),
    ODS: ("sheets", "read_sheets"),
    HTML: ("html", "read_html"),
    MARKDOWN: ("markdown", "read_markdown"),
    CSV: ("values", "read_values"),
    TSV: ("values", "read_values"),
    MAIL: ("mail", "read_mail"),
    PLAIN: ("plain", "read_plain"),
}
"""A format's file here and the function in it, imported when a document needs it."""

ARCHIVES = frozenset((DOCX, PPTX, XLSX, ODT, ODS))

_SPOKEN = {
    PDF: "PDF",
    DOCX: "DOCX document",
    PPTX: "PPTX presentation",
    XLSX: "XLSX workbook",
    ODT: "ODT document",
    ODS: "ODS workbook",
    HTML: "HTML page",
    MARKDOWN: "Markdown text",
    CSV: "CSV table",
    TSV: "TSV table",
    MAIL: "e-mail",
    PLAIN: "text",
}
_READ = "PDF, DOCX, ODT, PPTX, XLSX, ODS, HTML, Markdown, text, CSV, TSV and e-mail (.eml) are read"

_BY_NAME = {".md": MARKDOWN, ".markdown": MARKDOWN, ".csv": CSV, ".tsv": TSV, ".tab": TSV}
"""Of text, which says of itself only that it is text."""

_HEAD_BYTES = 8192
_PDF_HEAD_BYTES = 1024
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"{\\rtf", "a Rich Text file: save it as DOCX or ODT"),
    (b"\x89PNG", "a picture: put it into a PDF, whose scanned pages can be read"),
    (b"\xff\xd8\xff", "a picture: put it into a PDF, whose scanned pages can be read"),
    (b"GIF8", "a picture: put it into a PDF, whose scanned pages can be read"),
    (b"II*\0", "a picture: put it into a PDF, whose scanned pages can be read"),
    (b"MM\0*", "a picture: put it into a PDF, whose scanned pages can be read"),
    (b"%!PS", "a PostScript file: save it as PDF"),
    (b"Rar!", "an archive: unpack it and add its files"),
    (b"7z\xbc\xaf", "an archive: unpack it and add its files"),
    (b"\x1f\x8b", "a packed file: unpack it first"),
    (b"BZh", "a packed file: unpack it first"),
    (b"\xfd7zXZ", "a packed file: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("WordDocument", "a document of Word 97: save it as DOCX"),
    ("PowerPoint Document", "a presentation of PowerPoint 97: save it as PPTX"),
    ("Workbook", "a workbook of Excel 97: save it as XLSX"),
    ("__substg1.0_", "a message of Outlook: save it as .eml"),
)
_OOXML_PARTS = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))
_HTML_HEAD = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:(?><!--.*?-->)\s*)*+<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_MAIL_FIELD = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{1,60}):[ \t]", re.M)
_MAIL_FIELDS = frozenset(
    b"from to cc date subject received message-id mime-version return-path delivered-to content-type reply-to".split()
)
_FEWEST_MAIL_FIELDS = 3


def spoken(media_type: str) -> str:
    """The format's name in a sentence: ``PDF``, ``XLSX workbook``."""
    return _SPOKEN[media_type]


def media_type_of(path: Path, name: str) -> str:
    """Raises Unreadable for a format that isn't read, with what would be right."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.strip() and len(head) < _HEAD_BYTES:
        raise Unreadable("no_text", "This file is empty")
    if b"%PDF-" in head[:_PDF_HEAD_BYTES]:
        return PDF
    if head.startswith(b"PK"):
        return _in_archive(path)
    if head.startswith(_OLE):
        raise _ole(path)
    for magic, what in _OTHERS:
        if head.startswith(magic):
            raise Unreadable("unsupported", f"This file is {what}. {_READ}")
    text = _as_ascii(head)
    if _HTML_HEAD.match(text):
        return HTML
    if _is_mail(text):
        return MAIL
    return _BY_NAME.get(PurePath(name).suffix.lower(), PLAIN)


def _as_ascii(head: bytes) -> bytes:
    """The beginning of a text without its byte-order mark, so that it can be compared in any encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace").encode("ascii", errors="replace")
    return head.removeprefix(b"\xef\xbb\xbf")


def _is_mail(text: bytes) -> bool:
    """Its head, up to the first blank line, has several of a mail's fields and begins with a field."""
    head = re.split(rb"\r?\n\r?\n", text.removeprefix(b"From ").lstrip(), maxsplit=1)[0]
    fields = {match[1].lower() for match in _MAIL_FIELD.finditer(head)}
    return bool(re.match(rb"[!-9;-~]+(?::|[ @])", head)) and len(fields & _MAIL_FIELDS) >= _FEWEST_MAIL_FIELDS


def _in_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "mimetype" in names:
                with archive.open("mimetype") as file:
                    kind = file.read(100).decode("ascii", errors="replace").strip()
                return _open_document(kind, archive)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable("damaged", f"This file is damaged: it is an archive that can't be opened ({error})") from None
    if "[Content_Types].xml" in names:
        for folder, media_type in _OOXML_PARTS:
            if any(name.startswith(folder) for name in names):
                return media_type
    raise Unreadable("unsupported", f"This file is a zip archive: unpack it and add its files. {_READ}")


def _open_document(kind: str, archive: zipfile.ZipFile) -> str:
    if kind not in (ODT, ODS):
        raise Unreadable("unsupported", f"This file is {kind[:80]!r}. {_READ}")
    if "META-INF/manifest.xml" in archive.namelist():
        with archive.open("META-INF/manifest.xml") as manifest:
            if b":encryption-data" in manifest.read(1 << 20):
                raise Unreadable("encrypted", "This file is encrypted with a password: save it without one")
    return kind


def _ole(path: Path) -> Unreadable:
    data = path.read_bytes()
    if "EncryptedPackage".encode("utf-16-le") in data:
        return Unreadable("encrypted", "This file is encrypted with a password: save it without one")
    for stream, what in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            return Unreadable("unsupported", f"This file is {what}. {_READ}")
    return Unreadable("unsupported", f"This file is of an old office format. {_READ}")
