"""PDF: paragraphs out of lines, pages, headers, pages that are pictures."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pypdfium2
import pytest
from tests.support.documents import paragraph, pdf, read_bytes

from aquilon.extraction import Block, Limits, Unreadable
from aquilon.extraction.ocr import lines_of

PROSE = """The quick brown fox jumps over the lazy dog, and then it goes on to make this sen-
tence longer than one line would be, so that the text is wrapped where the margin
is. Now it ends here: a well-kept house, one may say, is nothing but a well-
kept one, and number 17 of this street has been such a house ever since 1920-
1921."""
JOINED = (
    "The quick brown fox jumps over the lazy dog, and then it goes on to make this sentence longer than one line "
    "would be, so that the text is wrapped where the margin is. Now it ends here: a well-kept house, one may say, is "
    "nothing but a well-kept one, and number 17 of this street has been such a house ever since 1920-1921."
)


def test_lines_become_paragraphs_and_words_are_joined_again(tmp_path: Path) -> None:
    page = [
        *paragraph("A large heading", top=780, size=20),
        *paragraph(PROSE, top=740),
        *paragraph(PROSE, top=640),
        *paragraph("Apples 12.00\nPears 9.50", top=540),
        *paragraph("• first point\n• second point", top=500),
    ]
    document = read_bytes(tmp_path, pdf([page], title="A report"), "report.docx")
    assert (document.title, document.pages, document.media_type) == ("A report", 1, "application/pdf")
    assert document.blocks == [
        Block("A large heading", "heading", 1, 1),
        Block(JOINED, "paragraph", None, 1),
        Block(JOINED, "paragraph", None, 1),
        Block("Apples 12.00\nPears 9.50", "paragraph", None, 1),
        Block("- first point\n- second point", "list", None, 1),
    ]


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = paragraph("The left column begins\nhere and it goes on to\nits end at the bottom.", top=700)
    right = paragraph("The right column comes\nafter it and says what\nfollows.", top=700, left=320)
    document = read_bytes(tmp_path, pdf([[*left, *right]]))
    assert [block.text for block in document.blocks] == [
        "The left column begins here and it goes on to its end at the bottom.",
        "The right column comes after it and says what follows.",
    ]


def test_text_that_runs_to_the_left_is_read_in_its_order(tmp_path: Path) -> None:
    meanings = dict(zip("abcdefgh", "שלוםעאבג", strict=True))  # a page shows a line's last letter first
    shown = {meant: letter for letter, meant in meanings.items()}
    lines = ["שלום עולם שלום עולם", "אבג שלום"]
    page = [
        (300 - 5.5 * len(line), 700 - 14 * number, 11, "".join(shown.get(letter, letter) for letter in reversed(line)))
        for number, line in enumerate(lines)
    ]
    document = read_bytes(tmp_path, pdf([page], meanings=meanings))
    assert document.text.split() == " ".join(lines).split()


def test_ligatures_become_letters(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, pdf([paragraph("1nd o2ce", top=700)], meanings={"1": "ﬁ", "2": "ﬃ"}))
    assert document.text == "find office"


def test_a_header_is_read_once_and_page_numbers_never(tmp_path: Path) -> None:
    pages = [
        [
            *paragraph("Annual report 2026", top=815, size=9),
            *paragraph(f"This is what page {word} says.", top=700),
            *paragraph(f"Invoice {1000 + number}: {number * 10}.00 to be paid", top=60),
            *paragraph(f"{number + 6}", top=30, size=9, left=290),
        ]
        for number, word in enumerate(("one", "two", "three", "four"), 1)
    ]
    document = read_bytes(tmp_path, pdf(pages))
    assert [(block.page, block.text) for block in document.blocks] == [
        (1, "Annual report 2026"),
        (1, "This is what page one says."),
        (1, "Invoice 1001: 10.00 to be paid"),
        (2, "This is what page two says."),
        (2, "Invoice 1002: 20.00 to be paid"),
        (3, "This is what page three says."),
        (3, "Invoice 1003: 30.00 to be paid"),
        (4, "This is what page four says."),
        (4, "Invoice 1004: 40.00 to be paid"),
    ]


def test_pages_beyond_the_limit_are_left_out_with_a_note(tmp_path: Path) -> None:
    data = pdf([paragraph("All pages say the same.", top=700) for _ in range(12)])
    document = read_bytes(tmp_path, data, limits=Limits(pages=10))
    assert (document.pages, document.notes) == (12, ["truncated"])
    assert max(block.page or 0 for block in document.blocks) == 10


def scanned(data: bytes) -> bytes:
    """A PDF with a picture of each page."""
    source, copy = pypdfium2.PdfDocument(data), pypdfium2.PdfDocument.new()
    for page in source:
        jpeg = io.BytesIO()
        page.render(scale=200 / 72, grayscale=True).to_pil().convert("RGB").save(jpeg, "JPEG")
        picture = pypdfium2.PdfImage.new(copy)
        picture.load_jpeg(jpeg)
        picture.set_matrix(pypdfium2.PdfMatrix().scale(*page.get_size()))
        new = copy.new_page(*page.get_size())
        new.insert_obj(picture)
        new.gen_content()
    written = io.BytesIO()
    copy.save(written)
    return written.getvalue()


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs Debian's tesseract-ocr")
def test_a_page_that_is_a_picture_is_read_by_ocr(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, scanned(pdf([paragraph(PROSE, top=740)])))
    assert document.notes == ["ocr_used"]
    assert document.blocks == [Block(JOINED, "paragraph", None, 1)]


def test_without_ocr_a_scan_is_refused_with_what_would_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(Unreadable, match=r"is scanned: .* install tesseract-ocr") as refusal:
        read_bytes(tmp_path, scanned(pdf([paragraph(PROSE, top=740)])))
    assert refusal.value.code == "no_text"


def test_without_ocr_the_other_pages_are_read_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    both = pypdfium2.PdfDocument(pdf([paragraph("A page with text.", top=700)]))
    both.import_pages(pypdfium2.PdfDocument(scanned(pdf([paragraph(PROSE, top=740)]))))
    written = io.BytesIO()
    both.save(written)
    document = read_bytes(tmp_path, written.getvalue())
    assert (document.text, document.notes) == ("A page with text.", ["pages_without_text"])


def test_the_words_of_ocr_become_lines(tmp_path: Path) -> None:
    table = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
    table += "4\t1\t1\t1\t1\t0\t300\t100\t900\t50\t-1\t\n"
    table += "5\t1\t1\t1\t1\t1\t300\t100\t400\t50\t96\tTwo\n5\t1\t1\t1\t1\t2\t750\t100\t450\t50\t91\twor-\n"
    table += "5\t1\t1\t1\t2\t1\t300\t180\t450\t50\t91\tds\n"
    first, second = lines_of(table)
    assert (first.text, first.is_hyphenated, first.left, first.right) == ("Two wor", True, 72, 288)
    assert second.text == "ds"
    assert second.baseline < first.baseline


def test_a_pdf_that_needs_a_password_is_refused_and_one_with_an_owners_is_read(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="encrypted with a password") as refusal:
        read_bytes(tmp_path, encrypted(user="secret"))
    assert refusal.value.code == "encrypted"
    assert read_bytes(tmp_path, encrypted(user="")).text == "Confidential"


def encrypted(*, user: str) -> bytes:
    """A page that says "Confidential", encrypted by RC4 with 40 bits (ISO 32000-1, 7.6.3)."""
    from hashlib import md5

    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")

    def padded(password: str) -> bytes:
        return (password.encode() + padding)[:32]

    owner = rc4(md5(padded("owner")).digest()[:5], padded(user))
    document_id = b"0123456789abcdef"
    key = md5(padded(user) + owner + (-4 & 0xFFFFFFFF).to_bytes(4, "little") + document_id).digest()[:5]
    content = rc4(md5(key + b"\x04\0\0\0\0").digest()[:10], b"BT /F1 12 Tf 72 700 Td (Confidential) Tj ET")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Filter/Standard/V 1/R 2/P -4/O<%b>/U<%b>>>" % (owner.hex().encode(), rc4(key, padding).hex().encode()),
    ]
    data = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    id_ = document_id.hex().encode()
    trailer = b"<</Size 7/Root 1 0 R/Encrypt 6 0 R/ID[<%b><%b>]>>" % (id_, id_)
    end = b"xref\n0 7\n0000000000 65535 f \n%btrailer%b\nstartxref\n%d\n%%%%EOF"
    return data + end % (table, trailer, len(data))


def rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    result = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        result.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(result)
