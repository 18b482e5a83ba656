"""DOCX, ODT, PPTX and workbooks: what they say, in which order, at which place."""

from __future__ import annotations

import io
from pathlib import Path

import docx
import odfdo
import pytest
from docx.oxml import parse_xml
from tests.support.documents import archive, read_bytes, relationships, text_cell, xlsx

from aquilon.extraction import Block, Unreadable

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def word_bytes(document: docx.document.Document) -> bytes:
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def test_a_word_document_has_headings_lists_and_tables_in_their_order(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title = "Annual report"
    word.add_heading("Report", 0)
    word.add_heading("Results", 2)
    word.add_paragraph("We sold\tmore.\nMuch more.")
    word.add_paragraph("apples", style="List Bullet")
    word.add_paragraph("pears", style="List Bullet")
    word.add_paragraph("first", style="List Number")
    word.add_paragraph("second", style="List Number")
    table = word.add_table(rows=2, cols=3)
    for cell, text in zip(table.rows[0].cells, ("Fruit", "Sold", "Left"), strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(1, 1)).text = "Apples"
    table.cell(1, 2).text = "7"
    frame = word.add_table(rows=1, cols=1)
    frame.cell(0, 0).text = "A framed remark."
    document = read_bytes(tmp_path, word_bytes(word), "report.pdf")
    assert (document.title, document.pages) == ("Annual report", None)
    assert document.blocks == [
        Block("Report", "heading", 1),
        Block("Results", "heading", 2),
        Block("We sold\tmore.\nMuch more.", "paragraph"),
        Block("- apples\n- pears\n1. first\n2. second", "list"),
        Block("| Fruit | Sold | Left |\n| --- | --- | --- |\n| Apples |  | 7 |", "table"),
        Block("A framed remark.", "paragraph"),
    ]


def test_a_word_document_says_what_its_accepted_changes_say(tmp_path: Path) -> None:
    word = docx.Document()
    changed = f"""<w:p {W}><w:r><w:t xml:space="preserve">We </w:t></w:r>
      <w:del w:id="1" w:author="a"><w:r><w:delText>refuse</w:delText></w:r></w:del>
      <w:ins w:id="2" w:author="a"><w:r><w:t>agree</w:t></w:r></w:ins>
      <w:sdt><w:sdtContent><w:r><w:t xml:space="preserve"> to it</w:t></w:r></w:sdtContent></w:sdt>
      <w:r><w:pict><w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>"""
    word.element.body.insert(0, parse_xml(changed))
    assert [block.text for block in read_bytes(tmp_path, word_bytes(word)).blocks] == ["We agree to it", "in a box"]


def test_an_open_document_text_has_its_notes_lists_and_tables(tmp_path: Path) -> None:
    text = odfdo.Document("text")
    text.meta.title = "Bericht"
    text.body.clear()
    text.body.append(odfdo.Header(2, "Ergebnis"))
    noted = odfdo.Paragraph("Mehr  Äpfel")
    noted.insert_note(after="Mehr", note_id="n1", citation="1", body="als 2025")
    text.body.append(noted)
    items = odfdo.List(["eins", "zwei"])
    items.children[0].append(odfdo.List(["innen"]))
    text.body.append(items)
    table = odfdo.Table("T", width=2, height=2)
    for place, value in (("A1", "Obst"), ("B1", "Zahl"), ("A2", "Äpfel"), ("B2", 7)):
        table.set_value(place, value)
    text.body.append(table)
    written = io.BytesIO()
    text.save(written)
    document = read_bytes(tmp_path, written.getvalue())
    assert (document.title, document.media_type) == ("Bericht", "application/vnd.oasis.opendocument.text")
    assert document.blocks == [
        Block("Ergebnis", "heading", 2),
        Block("Mehr[1]  Äpfel", "paragraph"),
        Block("[1] als 2025", "paragraph"),
        Block("- eins\n  - innen\n- zwei", "list"),
        Block("| Obst | Zahl |\n| --- | --- |\n| Äpfel | 7 |", "table"),
    ]


def slide(*shapes: str, hidden: bool = False) -> str:
    show = ' show="0"' if hidden else ""
    return f'<p:sld xmlns:p="{P}" xmlns:a="{A}"{show}><p:cSld><p:spTree>{"".join(shapes)}</p:spTree></p:cSld></p:sld>'


def shape(placeholder: str, *paragraphs: str) -> str:
    texts = "".join(
        f'<a:p><a:pPr lvl="{len(text) - len(text.lstrip())}"/><a:r><a:t>{text.strip()}</a:t></a:r></a:p>'
        for text in paragraphs
    )
    kind = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    return f"<p:sp><p:nvSpPr><p:nvPr>{kind}</p:nvPr></p:nvSpPr><p:txBody>{texts}</p:txBody></p:sp>"


def test_a_presentation_is_read_in_the_order_of_its_slides(tmp_path: Path) -> None:
    row = (
        "<a:tr>"
        + "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{t}</a:t></a:r></a:p></a:txBody></a:tc>" for t in "ab")
        + "</a:tr>"
    )
    table = f"<p:graphicFrame><a:graphic><a:tbl>{row}{row}</a:tbl></a:graphic></p:graphicFrame>"
    ids = "".join(f'<p:sldId r:id="{id_}"/>' for id_ in ("b", "a", "c"))
    document = read_bytes(
        tmp_path,
        archive(
            {
                "[Content_Types].xml": "<Types/>",
                "ppt/presentation.xml": f'<p:presentation xmlns:p="{P}" xmlns:r="{R}">{ids}</p:presentation>',
                "ppt/_rels/presentation.xml.rels": relationships(
                    {name: ("slide", f"slides/{name}.xml") for name in "abc"}
                ),
                "ppt/slides/a.xml": slide(table, shape("", "a text box"), shape("sldNum", "2")),
                "ppt/slides/b.xml": slide(shape("body", "one", " inner", "two"), shape("ctrTitle", "Welcome")),
                "ppt/slides/_rels/b.xml.rels": relationships({"n": ("notesSlide", "../notesSlides/n.xml")}),
                "ppt/notesSlides/n.xml": slide(shape("body", "Say hello.")),
                "ppt/slides/c.xml": slide(shape("title", "Hidden"), hidden=True),
            }
        ),
    )
    assert document.pages == 3
    assert document.blocks == [
        Block("Welcome", "heading", 2, 1),
        Block("- one\n  - inner\n- two", "list", None, 1),
        Block("Say hello.", "paragraph", None, 1),
        Block("| a | b |\n| --- | --- |\n| a | b |", "table", None, 2),
        Block("a text box", "paragraph", None, 2),
    ]


def test_a_workbook_shows_values_as_people_write_them(tmp_path: Path) -> None:
    rows = (
        f"<row>{text_cell('A1', 'Day')}{text_cell('B1', 'Total')}{text_cell('C1', 'Paid')}</row>"
        '<row><c r="A2" s="1"><v>46083</v></c><c r="B2"><f>SUM(B3:B9)</f><v>1234.5</v></c>'
        '<c r="C2" t="b"><v>1</v></c></row>'
        '<row><c r="A3" s="1"><v>46083.75</v></c><c r="B3"><v>3</v></c></row>'
    )
    parts = xlsx({"Sales": rows, "Old": f"<row>{text_cell('A1', 'x')}</row>", "Empty": ""}, hidden=["Old"])
    document = read_bytes(tmp_path, archive(parts))
    assert document.pages == 3
    assert document.blocks == [
        Block("Sales", "heading", 2, 1),
        Block(
            "| Day | Total | Paid |\n| --- | --- | --- |\n| 2026-03-02 | 1234.5 | TRUE |\n| 2026-03-02 18:00 | 3 |  |",
            "table",
            None,
            1,
        ),
    ]


def test_an_open_document_workbook_is_read_too(tmp_path: Path) -> None:
    sheets = odfdo.Document("spreadsheet")
    sheets.body.clear()
    table = odfdo.Table("Zahlen", width=2, height=2)
    for place, value in (("A1", "Obst"), ("B1", "Zahl"), ("A2", "Äpfel"), ("B2", 7)):
        table.set_value(place, value)
    sheets.body.append(table)
    written = io.BytesIO()
    sheets.save(written)
    document = read_bytes(tmp_path, written.getvalue())
    assert [block.text for block in document.blocks] == ["Zahlen", "| Obst | Zahl |\n| --- | --- |\n| Äpfel | 7 |"]


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"'ppt/presentation.xml' is missing"):
        read_bytes(tmp_path, archive({"[Content_Types].xml": "<Types/>", "ppt/slides/slide1.xml": "<x/>"}))
