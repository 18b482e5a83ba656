"""Reads documents from text files, JSON lines and Parquet, plain or compressed, a piece at a time.

Memory stays bounded whatever a file's size: a text file is read in pieces, and no line
may be longer than ``MAX_LINE_BYTES``.
"""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

MAX_LINE_BYTES = 64 * 2**20
"""A longer line of JSON is no document that anybody wants to train on."""

PIECE_BYTES = 2**20
"""A text file becomes documents of about this size, cut at ends of lines."""

_FORMATS = (".txt", ".jsonl", ".parquet")
_COMPRESSIONS = (".gz", ".xz", ".zst")


class UnreadableSource(ValueError):
    """A source that can't be read; the message names the file, the place in it, and what would be right."""

    def __init__(self, path: Path, problem: str, *, line: int | None = None) -> None:
        self.path, self.problem, self.line = path, problem, line
        super().__init__(f"{path}{'' if line is None else f', line {line}'}: {problem}")


@dataclass(frozen=True)
class Document:
    """One text, and where it stands: ``number`` counts a file's lines, rows or pieces from 1."""

    text: str
    path: Path
    number: int
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The other fields of its line or row."""


Refuse = Callable[[UnreadableSource], None]
"""Is told of a document that can't be read. Reading goes on with the next one, unless it raises."""


def stop_reading(problem: UnreadableSource) -> None:
    """Refuse the whole source for its first bad document."""
    raise problem


def source_files(sources: Iterable[Path]) -> list[Path]:
    """The files of sources, each a file or a folder, sorted within a folder.

    Raises UnreadableSource for a path that doesn't exist, a folder without text, and an unknown kind of file.
    """
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = sorted(path for path in source.rglob("*") if path.is_file() and _kind(path) is not None)
            if not inside:
                raise UnreadableSource(source, f"holds no file that ends in {_endings()}")
            files += inside
        elif not source.exists():
            raise UnreadableSource(source, "does not exist")
        elif _kind(source) is None:
            raise UnreadableSource(source, f"is of an unknown kind: a source ends in {_endings()}")
        else:
            files.append(source)
    return files


def read_documents(path: Path, *, refuse: Refuse = stop_reading) -> Iterator[Document]:
    """The documents of one file, in order."""
    kind = _kind(path)
    if kind is None:
        raise UnreadableSource(path, f"is of an unknown kind: a source ends in {_endings()}")
    format_, compression = kind
    try:
        with path.open("rb") as stored, _decompressed(stored, compression, path) as data:
            if format_ == ".parquet":
                yield from _rows(path, data, refuse)
            elif format_ == ".jsonl":
                yield from _lines(path, data, refuse)
            else:
                yield from _pieces(path, data, refuse)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UnreadableSource(path, f"is damaged: {error}") from None
    except OSError as error:
        raise UnreadableSource(path, f"can't be read: {error.strerror or error}") from None


def read_objects(path: Path, *, refuse: Refuse = stop_reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with one of JSON a line, each with the number of its line."""
    kind = _kind(path)
    if kind is None or kind[0] != ".jsonl":
        raise UnreadableSource(path, f"must end in .jsonl, or that followed by {', '.join(_COMPRESSIONS)}")
    try:
        with path.open("rb") as stored, _decompressed(stored, kind[1], path) as data:
            for number, fields in _objects(path, data, refuse):
                if isinstance(fields, dict):
                    yield number, fields
                else:
                    refuse(UnreadableSource(path, "is no JSON object", line=number))
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UnreadableSource(path, f"is damaged: {error}") from None
    except OSError as error:
        raise UnreadableSource(path, f"can't be read: {error.strerror or error}") from None


def _kind(path: Path) -> tuple[str, str] | None:
    """A file's format and compression by its endings."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in _COMPRESSIONS else ""
    return (suffixes[-1], compression) if suffixes and suffixes[-1] in _FORMATS else None


def _endings() -> str:
    return f"{', '.join(_FORMATS)}, each also followed by {', '.join(_COMPRESSIONS)}"


def _decompressed(stored: BinaryIO, compression: str, path: Path) -> BinaryIO:
    if compression == ".gz":
        return gzip.GzipFile(fileobj=stored)  # type: ignore[return-value]
    if compression == ".xz":
        return lzma.LZMAFile(stored)  # type: ignore[return-value]
    if compression == ".zst":
        try:
            import zstandard
        except ImportError:
            raise UnreadableSource(path, "needs the package zstandard: pip install 'aquilon[train]'") from None
        return zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
    return stored


def _pieces(path: Path, data: BinaryIO, refuse: Refuse) -> Iterator[Document]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest, position, number = "", 0, 0
    while True:
        chunk = data.read(PIECE_BYTES)
        try:
            rest += decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            refuse(UnreadableSource(path, f"is not UTF-8: {error.reason} near byte {position + error.start}"))
            decoder.reset()
            rest += chunk.decode("utf-8", errors="ignore")
        position += len(chunk)
        end = len(rest) if not chunk or len(rest) > 4 * PIECE_BYTES else rest.rfind("\n") + 1
        if text := rest[:end]:
            number += 1
            yield Document(text, path, number)
        rest = rest[end:]
        if not chunk:
            return


def _lines(path: Path, data: BinaryIO, refuse: Refuse) -> Iterator[Document]:
    for number, fields in _objects(path, data, refuse):
        yield from _document(path, number, fields, refuse)


def _objects(path: Path, data: BinaryIO, refuse: Refuse) -> Iterator[tuple[int, Any]]:
    reader = io.BufferedReader(data, 2**18) if not isinstance(data, io.BufferedReader) else data  # type: ignore[type-var]
    number = 0
    while line := reader.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (more := reader.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
                pass
            refuse(UnreadableSource(path, f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB", line=number))
            continue
        if line.isspace():
            continue
        try:
            fields = msgspec.json.decode(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse(UnreadableSource(path, f"is no JSON: {error}", line=number))
            continue
        yield number, fields


def _rows(path: Path, data: BinaryIO, refuse: Refuse) -> Iterator[Document]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UnreadableSource(path, "needs the package pyarrow: pip install 'aquilon[train]'") from None
    if not data.seekable():
        raise UnreadableSource(path, "is a compressed Parquet file: Parquet compresses its columns itself")
    try:
        table = parquet.ParquetFile(data)
        if "text" not in table.schema_arrow.names:
            names = ", ".join(table.schema_arrow.names[:12])
            raise UnreadableSource(path, f"has no column 'text'; its columns are {names}")
        number = 0
        for batch in table.iter_batches(batch_size=256):
            for fields in batch.to_pylist():
                number += 1
                yield from _document(path, number, fields, refuse)
    except pyarrow.ArrowException as error:
        raise UnreadableSource(path, f"is no Parquet file: {error}") from None


def _document(path: Path, number: int, fields: object, refuse: Refuse) -> Iterator[Document]:
    if not isinstance(fields, dict):
        refuse(UnreadableSource(path, 'is no JSON object: a line is {"text": …}', line=number))
    elif not isinstance(text := fields.pop("text", None), str):
        others = ", ".join(map(str, list(fields)[:8])) or "none"
        refuse(UnreadableSource(path, f"has no text in its field 'text'; its other fields are {others}", line=number))
    elif text:
        yield Document(text, path, number, fields)
