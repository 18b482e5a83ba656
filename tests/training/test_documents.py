"""What training reads: text, JSON lines and Parquet, plain or compressed, and what it refuses."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from aquilon.training.data import documents
from aquilon.training.data.documents import UnreadableSource, read_documents, source_files

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}
_LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff"), max_size=400)


def texts(path: Path, *, piece_bytes: int = 2**20) -> list[str]:
    return [document.text for document in read_documents(path, piece_bytes=piece_bytes)]


def lenient(path: Path, *, piece_bytes: int = 2**20) -> tuple[list[str], list[str]]:
    """The texts that can be read, and what was said of the others."""
    problems: list[str] = []
    read = read_documents(path, refuse=lambda problem: problems.append(str(problem)), piece_bytes=piece_bytes)
    return [document.text for document in read], problems


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_every_kind_of_source_is_read_plain_and_compressed(tmp_path: Path, compression: str) -> None:
    compress = COMPRESSORS[compression]
    (tmp_path / f"a.txt{compression}").write_bytes(compress("Où ?\n".encode()))
    lines = [{"text": "un", "id": "1", "language": "fr"}, {"text": "deux"}]
    (tmp_path / f"b.jsonl{compression}").write_bytes(compress("\n".join(map(json.dumps, lines)).encode()))
    (tmp_path / "other.pdf").write_bytes(b"%PDF")
    files = source_files([tmp_path])
    assert [file.name for file in files] == [f"a.txt{compression}", f"b.jsonl{compression}"]
    read = [document for file in files for document in read_documents(file)]
    assert [document.text for document in read] == ["Où ?\n", "un", "deux"]
    assert read[1].fields == {"id": "1", "language": "fr"}
    assert [document.number for document in read] == [1, 1, 2]


def test_parquet_is_read_in_rows_with_its_plain_columns(tmp_path: Path) -> None:
    table = pyarrow.table({"text": ["un", None, "trois"], "url": ["u", "v", "w"], "picture": [b"1", b"2", b"3"]})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    (tmp_path / "b.parquet.zst").write_bytes(zstandard.compress((tmp_path / "a.parquet").read_bytes()))
    assert [document.text for document in read_documents(tmp_path / "b.parquet.zst", refuse=lambda _: None)] == [
        "un",
        "trois",
    ]
    problems: list[str] = []
    read = list(read_documents(tmp_path / "a.parquet", refuse=lambda problem: problems.append(str(problem))))
    assert [(document.text, document.number, document.fields) for document in read] == [
        ("un", 1, {"url": "u"}),
        ("trois", 3, {"url": "w"}),
    ]
    assert problems == [f"{tmp_path / 'a.parquet'}, line 2: has no text in its field 'text'; its other fields are url"]


@settings(max_examples=60, deadline=None)
@given(st.lists(_LINES, max_size=6), st.integers(min_value=4, max_value=64))
def test_pieces_of_a_text_file_join_to_the_file_and_never_cut_a_character(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], piece_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "a.txt"
    path.write_bytes("\n".join(lines).encode())
    pieces = texts(path, piece_bytes=piece_bytes)
    assert "".join(pieces) == "\n".join(lines)
    assert all(len(piece) <= 5 * piece_bytes + max(map(len, lines), default=0) for piece in pieces)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(min_value=4, max_value=32))
def test_what_is_not_utf_8_is_left_out_the_same_in_pieces_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, piece_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.txt"
    path.write_bytes(b"text " + data)
    read, problems = lenient(path, piece_bytes=piece_bytes)
    expected = (b"text " + data).decode(errors="ignore")
    assert "".join(read).replace("\r\n", "\n") == expected.replace("\r\n", "\n")
    assert bool(problems) == (expected.encode() != b"text " + data)


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfun\r\ndeux\r\n")
    assert texts(tmp_path / "a.txt") == ["un\ndeux\n"]
    (tmp_path / "b.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "un"}\r\n\r\n{"text": "deux"}\r\n')
    assert texts(tmp_path / "b.jsonl") == ["un", "deux"]


def test_utf_16_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("été".encode("utf-16"))
    with pytest.raises(UnreadableSource, match="is UTF-16: save it as UTF-8"):
        texts(tmp_path / "a.txt")


def test_broken_utf_8_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 noir")
    with pytest.raises(UnreadableSource, match="is not UTF-8: invalid continuation byte near byte 3"):
        texts(tmp_path / "a.txt")
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "un"}\n{"text": "caf\xe9"}\n')
    with pytest.raises(UnreadableSource, match="line 2: is no JSON"):
        texts(tmp_path / "b.jsonl")
    assert lenient(tmp_path / "b.jsonl")[0] == ["un"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1]", "is no JSON object"),
        ('{"content": "un"}', "has no text in its field 'text'; its other fields are content"),
        ('{"text": 7}', "has no text in its field 'text'"),
        ('{"text": "un"', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        (r'{"text": "\ud800"}', "is no JSON"),
    ],
)
def test_a_line_that_is_no_document_is_refused_and_the_next_is_read(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "zéro"}}\n{line}\n{{"text": "deux"}}\n')
    read, problems = lenient(tmp_path / "a.jsonl")
    assert read == ["zéro", "deux"]
    assert len(problems) == 1
    assert f"line 2: {problem}" in problems[0]


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    for name in ("a.txt", "b.jsonl", "c.txt.gz", "d.jsonl.zst"):
        (tmp_path / name).write_bytes(b"")
        assert texts(tmp_path / name) == []


@pytest.mark.parametrize("compression", [".gz", ".xz", ".zst"])
def test_a_compressed_file_that_is_cut_off_or_damaged_is_refused(tmp_path: Path, compression: str) -> None:
    whole = COMPRESSORS[compression](b"".join(str(number).encode() + b"\n" for number in range(100_000)))
    for damaged in (whole[: len(whole) // 2], whole[:-5], b"nothing compressed"):
        path = tmp_path / f"a.txt{compression}"
        path.write_bytes(damaged)
        with pytest.raises(UnreadableSource, match="is damaged"):
            texts(path)


def test_several_frames_of_zstandard_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(b"un ") + zstandard.compress(b"deux"))
    assert "".join(texts(tmp_path / "a.txt.zst")) == "un deux"


def test_what_is_no_parquet_or_has_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UnreadableSource, match="is no Parquet file"):
        texts(tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table({"content": ["un"]}), tmp_path / "b.parquet")
    with pytest.raises(UnreadableSource, match="has no column 'text'; its columns are content"):
        texts(tmp_path / "b.parquet")


def test_a_path_that_is_no_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"")
    for path, problem in ((tmp_path / "gone.txt", "does not exist"), (tmp_path / "a.pdf", "ends in .txt, .jsonl")):
        with pytest.raises(UnreadableSource, match=problem):
            source_files([path])
    with pytest.raises(UnreadableSource, match="holds no file that ends in"):
        source_files([tmp_path])


def test_an_endless_line_takes_no_more_memory_than_the_limit_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 MB here for the 10 GB that somebody may have, and limits that are as much smaller."""
    monkeypatch.setattr(documents, "MAX_LINE_BYTES", 2**18)
    endless = io.BytesIO()
    with gzip.GzipFile(fileobj=endless, mode="wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(b"x" * 10**6)
        file.write(b'\n{"text": "after"}\n')
    (tmp_path / "a.jsonl.gz").write_bytes(endless.getvalue())
    (tmp_path / "b.txt.gz").write_bytes(endless.getvalue())
    tracemalloc.start()
    try:
        read, problems = lenient(tmp_path / "a.jsonl.gz")
        longest = max(len(document.text) for document in read_documents(tmp_path / "b.txt.gz", piece_bytes=2**18))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == ["after"]
    assert "the line is longer than" in problems[0]
    assert longest < 2**21
    assert peak < 10 * 2**20
