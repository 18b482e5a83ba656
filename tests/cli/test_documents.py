"""``aquilon documents read``: what models see of a document, without a server or a home."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.support.documents import paragraph, pdf


def test_a_documents_text_is_printed(command: Run, tmp_path: Path, home: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(pdf([paragraph("A sentence.", top=700)]))
    shown = command("documents", "read", str(tmp_path / "report.pdf"))
    assert (shown.code, shown.out, shown.err) == (0, "A sentence.\n", "")
    assert not home.exists()
    document = json.loads(command("documents", "read", str(tmp_path / "report.pdf"), "--json").out)
    assert document["blocks"] == [{"text": "A sentence.", "kind": "paragraph", "level": None, "page": 1}]


def test_what_a_reader_should_know_is_said_beside_the_text(command: Run, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes("café \x1b[31m".encode("latin-1"))
    shown = command("documents", "read", str(tmp_path / "old.txt"))
    assert (shown.code, shown.out) == (0, "café [31m\n")
    assert "The encoding is a guess" in shown.err


def test_why_a_document_cannot_be_read_is_said(command: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.docx").write_bytes(b"{\\rtf1 hello}")
    shown = command("documents", "read", str(tmp_path / "letter.docx"))
    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("aquilon: This file is a Rich Text file: save it as DOCX or ODT.")
    assert command("documents", "read", str(tmp_path / "gone.pdf")).code == 2
