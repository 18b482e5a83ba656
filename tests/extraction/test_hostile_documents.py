"""Bombs, lies and damage: what a document may not do to the machine, and what its owner is told."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import pytest
from tests.support.documents import archive, paragraph, pdf, read_bytes, text_cell, xlsx

from aquilon.extraction import Limits, Unreadable

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)
NAMES = "urn:oasis:names:tc:opendocument:xmlns"
SECRET = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY i SYSTEM "file:///etc/passwd">]>'


def word() -> bytes:
    document = docx.Document()
    document.add_paragraph("A sentence. " * 50)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def with_part(data: bytes, name: str, content: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = {entry: file.read(entry) for entry in file.namelist()}
    return archive(parts | {name: content})


def refusal(folder: Path, data: bytes, name: str = "document", *, limits: Limits | None = None) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read_bytes(folder, data, name, limits=limits)
    return caught.value


@pytest.mark.parametrize("head", [LAUGHS, SECRET], ids=["entities that grow", "a file's content"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_that_declares_entities_is_refused(tmp_path: Path, head: str, encoding: str) -> None:
    content = head + "<x>&i;</x>"
    parts = {"[Content_Types].xml": "<Types/>", "word/document.xml": content.encode(encoding)}
    refused = refusal(tmp_path, archive(parts))
    assert (refused.code, "entities in 'word/document.xml'" in refused.message) == ("bomb", True)


def test_an_archive_that_unpacks_to_a_gigabyte_is_refused_unopened(tmp_path: Path) -> None:
    data = archive(xlsx({"Sheet": f"<row>{text_cell('A1', 'x')}</row>"}))
    name = b"xl/worksheets/sheet1.xml"
    size = data.rindex(b"PK\x01\x02", 0, data.rindex(name)) + 24
    refused = refusal(tmp_path, data[:size] + (2**30).to_bytes(4, "little") + data[size + 4 :])
    assert refused.code == "bomb"
    assert "bytes when it is unpacked; at most 419,430,400 are allowed" in refused.message


def test_an_archive_that_unpacks_to_more_than_it_declares_is_damaged(tmp_path: Path) -> None:
    data = archive(xlsx({"Sheet": f"<row>{text_cell('A1', 'x' * 10_000)}</row>"}))
    name = b"xl/worksheets/sheet1.xml"
    size = data.rindex(b"PK\x01\x02", 0, data.rindex(name)) + 24
    assert refusal(tmp_path, data[:size] + (100).to_bytes(4, "little") + data[size + 4 :]).code == "damaged"


def test_an_archive_whose_entries_overlap_is_refused(tmp_path: Path) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("word/document.xml", "<x/>" * 1000)
        again = zipfile.ZipInfo("word/again.xml")
        for field in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
            setattr(again, field, getattr(file.infolist()[1], field))
        file.filelist.append(again)
    assert "overlaps the one before" in refusal(tmp_path, written.getvalue()).message


def test_an_archive_of_many_entries_is_refused(tmp_path: Path) -> None:
    parts = {"[Content_Types].xml": "<Types/>"} | {f"word/{number}": "" for number in range(30)}
    refused = refusal(tmp_path, archive(parts), limits=Limits(entries=20))
    assert (refused.code, refused.details) == ("bomb", {"limit": 20, "value": 31})


def test_a_zip_archive_is_never_unpacked_into_documents(tmp_path: Path) -> None:
    inner = archive({"a.txt": "text"})
    assert "unpack it and add its files" in refusal(tmp_path, archive({"inner.zip": inner}), "letter.docx").message


@pytest.mark.parametrize(
    ("data", "name", "code", "help_"),
    [
        (b"\x7fELF" + bytes(range(256)) * 9, "report.pdf", "unsupported", "a program"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "table.xlsx", "unsupported", "put it into a PDF"),
        (b"{\\rtf1 hello}", "letter.txt", "unsupported", "save it as DOCX"),
        (bytes(range(1, 256)) * 20, "notes.md", "unsupported", "no text"),
        (b"%PDF-1.7 and nothing else", "a.pdf", "damaged", "PDF is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "a.docx", "unsupported", "as DOCX"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "a.docx",
            "encrypted",
            "save it without one",
        ),
    ],
)
def test_what_cannot_be_read_is_named_by_its_content(
    tmp_path: Path, data: bytes, name: str, code: str, help_: str
) -> None:
    refused = refusal(tmp_path, data, name)
    assert (refused.code, help_ in refused.message) == (code, True), refused.message


def test_an_encrypted_open_document_is_refused(tmp_path: Path) -> None:
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>",
    }
    assert refusal(tmp_path, archive(parts)).code == "encrypted"


def outcome(folder: Path, data: bytes) -> str:
    try:
        read_bytes(folder, data)
    except Unreadable as refused:
        return refused.code
    return "read"


def mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Hello"
    message.set_content("Hello there.\n" * 50)
    message.add_attachment(bytes(500), maintype="application", subtype="zip", filename="a.zip")
    return message.as_bytes()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["docx", "xlsx", "pdf", "mail", "html"])
def test_a_file_that_was_cut_off_is_read_in_part_or_called_damaged(tmp_path: Path, kind: str, share: float) -> None:
    data = {
        "docx": word,
        "xlsx": lambda: archive(xlsx({"S": "".join(f"<row>{text_cell(f'A{n}', 'x')}</row>" for n in range(1, 50))})),
        "pdf": lambda: pdf([paragraph("A sentence.", top=700)] * 20),
        "mail": mail,
        "html": lambda: b"<!DOCTYPE html><html><title>t</title><body>" + b"<p>A sentence with <b>words</b>.</p>" * 50,
    }[kind]()
    assert outcome(tmp_path, data[: int(len(data) * share)]) in ("read", "damaged", "no_text")


def test_what_a_few_bytes_ask_to_repeat_is_not_repeated_without_end(tmp_path: Path) -> None:
    names = " ".join(f'xmlns:{prefix}="{NAMES}:{prefix}:1.0"' for prefix in ("office", "text", "table"))
    many = 'table:number-columns-repeated="99999999"'
    rows = f'<table:table-row table:number-rows-repeated="99999999"><table:table-cell {many}><text:p>x</text:p>'
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": f"<m:manifest xmlns:m='{NAMES}:manifest:1.0'/>",
        "meta.xml": f"<office:document-meta {names}><office:meta/></office:document-meta>",
        "content.xml": f"<office:document-content {names}><office:body><office:text>"
        f'<text:p>a<text:s text:c="999999999"/>b</text:p>'
        f"<table:table>{rows}</table:table-cell></table:table-row></table:table>"
        f"</office:text></office:body></office:document-content>",
    }
    document = read_bytes(tmp_path, archive(parts))
    assert document.blocks[0].text == "a" + " " * 100 + "b"
    assert len(document.text) < 100_000


def open_sheet(rows: str) -> bytes:
    names = " ".join(f'xmlns:{prefix}="{NAMES}:{prefix}:1.0"' for prefix in ("office", "text", "table"))
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f"<m:manifest xmlns:m='{NAMES}:manifest:1.0'/>",
            "content.xml": f"<office:document-content {names}><office:body><office:spreadsheet>"
            f'<table:table table:name="S">{rows}</table:table>'
            f"</office:spreadsheet></office:body></office:document-content>",
        }
    )


def open_row(rows: int, columns: int, text: str = "<text:p>x</text:p>") -> str:
    cell = f'<table:table-cell office:value-type="string" table:number-columns-repeated="{columns}">{text}'
    empty = f'<table:table-cell table:number-columns-repeated="{columns}"/>'
    return (
        f'<table:table-row table:number-rows-repeated="{rows}">'
        f"{cell + '</table:table-cell>' if text else empty}</table:table-row>"
    )


FAR = "between its first and its last"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("corner.xlsx", archive(xlsx({"S": f"<row>{text_cell('A1', 'x')}{text_cell('XFD1048576', 'x')}</row>"})), FAR),
        ("below.xlsx", archive(xlsx({"S": f"<row>{text_cell('A1', 'x')}{text_cell('Z1048576', 'x')}</row>"})), FAR),
        ("rows.ods", open_sheet(open_row(1_048_576, 30)), FAR),
        ("columns.ods", open_sheet(open_row(1, 16_384) + open_row(1_048_574, 1, "") + open_row(1, 1)), FAR),
        ("columns.csv", b"a,b\n" + b"," * 5_000_000, "Line 2 of this table has 5,000,001 columns"),
    ],
)
def test_cells_far_apart_are_refused_before_there_is_room_for_all_between_them(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    refused = refusal(tmp_path, data, name)
    assert refused.code == "too_large"
    assert message in refused.message


def test_empty_cells_to_the_end_of_a_sheet_are_nothing_to_refuse(tmp_path: Path) -> None:
    rows = open_row(2, 1) + open_row(1_048_574, 16_384, "")
    assert "| x |" in read_bytes(tmp_path, open_sheet(rows), "sheet.ods").text


def test_a_quotation_mark_that_stays_open_is_named(tmp_path: Path) -> None:
    refused = refusal(tmp_path, b'a,b\n"' + b"x,y\n" * 500_000, "open.csv")
    assert (refused.code, "quotation mark" in refused.message) == ("damaged", True)


@pytest.mark.parametrize("data", [b" " * 1_000_000 + b"x", b"\n" * 300_000 + b"x", b"<!-- a -->" * 700 + b"<x"])
def test_texts_that_are_hard_for_regular_expressions_are_read(tmp_path: Path, data: bytes) -> None:
    assert read_bytes(tmp_path, data, "a.md").text.strip()


def open_text(body: str) -> bytes:
    names = " ".join(f'xmlns:{prefix}="{NAMES}:{prefix}:1.0"' for prefix in ("office", "text", "table"))
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": f"<m:manifest xmlns:m='{NAMES}:manifest:1.0'/>",
            "meta.xml": f"<office:document-meta {names}><office:meta/></office:document-meta>",
            "content.xml": f"<office:document-content {names}><office:body><office:text>{body}</office:text>"
            "</office:body></office:document-content>",
        }
    )


def word_text(body: str) -> bytes:
    name = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return with_part(word(), "word/document.xml", f'<w:document xmlns:w="{name}"><w:body>{body}</w:body></w:document>')


def mail_in_mail(depth: int) -> bytes:
    message = "From: a@example.org\r\nTo: b@example.org\r\nSubject: inner\r\n\r\nthe innermost\r\n"
    for number in range(depth):
        message = (
            f"From: a@example.org\r\nTo: b@example.org\r\nSubject: level\r\n"
            f'Content-Type: multipart/mixed; boundary="b{number}"\r\n\r\n--b{number}\r\n\r\nouter\r\n'
            f"--b{number}\r\nContent-Type: message/rfc822\r\n\r\n{message}\r\n--b{number}--\r\n"
        )
    return message.encode()


@pytest.mark.parametrize(
    "data",
    [
        word_text("<w:tbl><w:tr><w:tc>" * 60 + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>" + "</w:tc></w:tr></w:tbl>" * 60),
        open_text("<text:section>" * 120 + "<text:p>deep</text:p>" + "</text:section>" * 120),
    ],
    ids=["docx", "odt"],
)
def test_a_text_in_a_hundred_frames_is_read(tmp_path: Path, data: bytes) -> None:
    assert read_bytes(tmp_path, data).text == "deep"


@pytest.mark.parametrize(
    "data",
    [
        word_text("<w:tbl><w:tr><w:tc>" * 900 + "</w:tc></w:tr></w:tbl>" * 900),
        open_text("<text:section>" * 900 + "</text:section>" * 900),
        b"<!doctype html><body>" + b"<div>" * 200_000 + b"deep",
        mail_in_mail(1_000),
    ],
    ids=["docx", "odt", "html", "mail"],
)
def test_a_document_that_is_nested_too_deep_says_so(tmp_path: Path, data: bytes) -> None:
    refused = refusal(tmp_path, data)
    assert (refused.code, "parts within parts" in refused.message) == ("too_deep", True)


def test_a_row_wider_than_what_is_read_leaves_a_note(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, b"a," * 1_001 + b"b\n" + b"1," * 1_001 + b"2\n", "wide.csv")
    assert document.notes == ["truncated"]
