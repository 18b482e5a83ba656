"""Text in any encoding, Markdown, tables of values, HTML and e-mail."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.support.documents import read_bytes

from aquilon.extraction import Block, Limits, Unreadable

WORDS = "Œuvre à 5 € – naïve café, Straße"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_in_the_encoding_that_it_has(tmp_path: Path, encoding: str) -> None:
    document = read_bytes(tmp_path, WORDS.encode(encoding))
    assert (document.text, document.media_type, document.notes) == (WORDS, "text/plain", [])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (WORDS.encode("cp1252"), WORDS),
        (b"caf\xe9 \x81", "café"),  # 0x81 is Latin-1's alone, a control character
        (WORDS.replace("Œ", "O").replace("€", "E").encode("utf-16-le"), WORDS.replace("Œ", "O").replace("€", "E")),
    ],
)
def test_an_encoding_that_is_a_guess_is_noted(tmp_path: Path, data: bytes, text: str) -> None:
    document = read_bytes(tmp_path, data)
    assert (document.text, document.notes) == (text, ["encoding_guessed"])


def test_a_text_cut_in_mid_character_is_still_utf8(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "déjà".encode()[:-1]).text == "déj"


def test_blank_lines_divide_a_text_and_places_are_found_again(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, b"One\r\nline.\r\n\r\n \r\nTwo.\n\n\nThree.")
    assert [block.text for block in document.blocks] == ["One\nline.", "Two.", "Three."]
    for start, block in zip(document.starts, document.blocks, strict=True):
        assert document.text.startswith(block.text, start)


def test_marks_and_directions_stay_and_control_characters_go(tmp_path: Path) -> None:
    kept = "Z̴̢̛a̷l̸g̶o שלום עולם \u200fمرحبا\u200e 👩\u200d🔬"
    hostile = kept + "\x00\x07\x1b[31m soft\u00adhyphen\ttab"
    document = read_bytes(tmp_path, hostile.encode() + b"\n" + b"x" * 2000)
    assert document.text.split("\n")[0] == kept + "[31m softhyphen\ttab"


def test_markdown_is_divided_into_its_blocks(tmp_path: Path) -> None:
    source = "---\ntitle: A guide\n---\n# One `two`\ntext\nmore\n\n- a\n- b\n\n| h |\n|---|\n| c |\n\n"
    source += "```py\n# no heading\n```\nLast\n===\n"
    document = read_bytes(tmp_path, source.encode(), "guide.md")
    assert (document.title, document.media_type) == ("A guide", "text/markdown")
    assert document.blocks == [
        Block("title: A guide", "code"),
        Block("One two", "heading", 1),
        Block("text\nmore", "paragraph"),
        Block("- a\n- b", "list"),
        Block("| h |\n|---|\n| c |", "table"),
        Block("```py\n# no heading\n```", "code"),
        Block("Last", "heading", 1),
    ]


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ("name,price\nBread,2\n", "| Bread | 2 |"),
        ('name;price\n"Bread; dark";2,50\n', "| Bread; dark | 2,50 |"),
        ("name\tprice\nA|B\t2\n", "| A\\|B | 2 |"),
    ],
)
def test_values_become_a_table_whatever_separates_them(tmp_path: Path, source: str, row: str) -> None:
    [table] = read_bytes(tmp_path, source.encode(), "prices.csv").blocks
    assert table == Block(f"| name | price |\n| --- | --- |\n{row}", "table")


def test_each_part_of_a_long_table_has_its_head(tmp_path: Path) -> None:
    rows = "".join(f"{number},value\n" for number in range(120))
    document = read_bytes(tmp_path, ("id,what\n" + rows).encode(), "long.csv")
    assert len(document.blocks) == 3
    assert all(block.text.startswith("| id | what |\n| --- | --- |\n") for block in document.blocks)
    assert sum(block.text.count("\n") - 1 for block in document.blocks) == 120


def test_what_exceeds_the_most_rows_is_left_out_with_a_note(tmp_path: Path) -> None:
    data = b"id,what\n" + b"1,value\n" * 200_000
    document = read_bytes(tmp_path, data, "long.csv")
    assert document.notes == ["truncated"]
    assert sum(block.text.count("\n") - 1 for block in document.blocks) == Limits().rows - 1


def test_what_exceeds_the_most_text_is_left_out_with_a_note(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, ("é" * 600 + "\n\n").encode() * 10, limits=Limits(text_bytes=3000))
    assert document.notes == ["truncated"]
    assert len(document.text.encode()) <= 3000


PAGE = """<!-- x --><!DOCTYPE html><html><head><title>A &amp; B</title><script>steal()</script>
<style>p{}</style></head><body onload="steal()"><nav>Menu</nav>
<h1>Head <em>line</em></h1><p>One <b>two</b>
three<br>four<img src="https://example.org/track.png" alt="a chart"></p><p hidden>secret</p>
<div style="display: none">secret</div>bare text<noscript><img src="http://example.org/x"></noscript>
<ol><li>first<ul><li>inner <script>steal()</script>one</li></ul></li><li>second</li></ol>
<table><caption>Prices</caption><tr><th>Name</th><th>Price</th></tr><tr><td>Bread</td><td>2 <i>€</i></td></tr></table>
<pre>  x = 1
  y = 2</pre><table><tr><td><h2>Layout</h2><p>cell</p></td></tr></table><iframe src="http://example.org">f</iframe>"""


def test_html_loses_its_scripts_and_keeps_its_structure(tmp_path: Path) -> None:
    document = read_bytes(tmp_path, PAGE.encode(), "page.txt")
    assert (document.media_type, document.title) == ("text/html", "A & B")
    assert document.blocks == [
        Block("Head line", "heading", 1),
        Block("One two three\nfour a chart", "paragraph"),
        Block("bare text", "paragraph"),
        Block("1. first\n  - inner one\n2. second", "list"),
        Block("Prices", "paragraph"),
        Block("| Name | Price |\n| --- | --- |\n| Bread | 2 € |", "table"),
        Block("  x = 1\n  y = 2", "code"),
        Block("Layout", "heading", 2),
        Block("cell", "paragraph"),
    ]


def test_html_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body><p>Łódź</p></body></html>'
    assert read_bytes(tmp_path, page.encode("iso-8859-2")).text == "Łódź"


@pytest.mark.parametrize(("depth", "text", "notes"), [(500, "before\n\ndeep", []), (50_000, "before", ["truncated"])])
def test_html_nested_without_end_is_read(tmp_path: Path, depth: int, text: str, notes: list[str]) -> None:
    document = read_bytes(tmp_path, b"<html><p>before</p>" + b"<div><ul><li>" * depth + b"deep")
    assert (document.text.replace("- ", "").replace("  ", ""), document.notes) == (text, notes)


def mail(plain: str | None, html: str | None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Zoë <zoe@example.org>"
    message["To"] = "team@example.org"
    message["Date"] = "Mon, 02 Mar 2026 10:00:00 +0100"
    message["Subject"] = "Réunion lundi"
    if plain is not None:
        message.set_content(plain)
    if html is not None and plain is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message


def test_a_mail_says_who_wrote_what_and_what_is_attached(tmp_path: Path) -> None:
    message = mail("We meet at ten.\n\nBring the plan.", "<p>We meet at ten.</p><p>Bring the plan.</p>")
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="plan.pdf")
    document = read_bytes(tmp_path, message.as_bytes(), "mail.txt")
    assert (document.media_type, document.title) == ("message/rfc822", "Réunion lundi")
    assert [block.text for block in document.blocks] == [
        "Réunion lundi",
        "From: Zoë <zoe@example.org>\nTo: team@example.org\nDate: Mon, 02 Mar 2026 10:00:00 +0100",
        "We meet at ten.",
        "Bring the plan.",
        "- Attachment: plan.pdf (application/pdf)",
    ]


@pytest.mark.parametrize("plain", [None, "Your program can't show this message."])
def test_a_mail_whose_plain_text_says_nothing_is_read_from_its_html(tmp_path: Path, plain: str | None) -> None:
    html = "<style>p {}</style><p>" + "A long letter with many words in it. " * 10 + "</p>"
    document = read_bytes(tmp_path, mail(plain, html).as_bytes())
    assert document.blocks[-1].text.startswith("A long letter with many words")
    assert plain is None or plain not in document.text


def test_an_empty_file_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is empty") as refusal:
        read_bytes(tmp_path, b" \n")
    assert refusal.value.code == "no_text"
