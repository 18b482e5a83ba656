"""What one pass writes for the next: documents, rejects, and how many there were, a chunk at a time."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

STAGES = (
    "read",
    "address",
    "language",
    "lines",
    "repetition",
    "quality",
    "c4",
    "fineweb",
    "equal",
    "similar",
    "evaluation",
    "personal",
)
"""In their order. ``personal`` replaces and rejects nothing."""

_EXAMPLE_CHARACTERS = 200
_EXAMPLES = 3


class Text(msgspec.Struct, kw_only=True):
    """A document on its way through the passes."""

    text: str
    language: str = ""
    source: str
    id: str
    url: str | None = None
    file: int
    number: int
    """Its place: the source's file and the document in it."""


class CleanText(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the result."""

    text: str
    language: str
    source: str
    id: str


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``rejects/STAGE.jsonl.zst``."""

    reason: str
    text: str
    language: str = ""
    source: str = ""
    id: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    reason: str
    id: str
    text: str


class StageCount(msgspec.Struct, kw_only=True):
    """What one stage did."""

    documents: int = 0
    """Those that it kept."""
    bytes: int = 0
    by_language: dict[str, int] = {}
    """Bytes kept, by language; empty before languages are known."""
    reasons: dict[str, int] = {}
    """Documents rejected, or what was replaced or removed within those that were kept, by reason."""
    rejected: int = 0
    examples: list[Example] = []

    def add(self, other: StageCount) -> None:
        self.documents += other.documents
        self.bytes += other.bytes
        self.rejected += other.rejected
        for mine, others in ((self.by_language, other.by_language), (self.reasons, other.reasons)):
            for key, number in others.items():
                mine[key] = mine.get(key, 0) + number
        self.examples = (self.examples + other.examples)[:_EXAMPLES]


class Tally:
    """One chunk's counts and rejects by stage, while a pass works on it."""

    def __init__(self) -> None:
        self.counts: dict[str, StageCount] = {}
        self.rejects: dict[str, list[Reject]] = {}

    def keep(self, stage: str, text: Text) -> None:
        count = self._count(stage)
        size = len(text.text.encode())
        count.documents += 1
        count.bytes += size
        if text.language:
            count.by_language[text.language] = count.by_language.get(text.language, 0) + size

    def reject(self, stage: str, text: Text, reason: str) -> None:
        rejected = Reject(reason=reason, text=text.text, language=text.language, source=text.source, id=text.id)
        self._count(stage).rejected += 1
        self.note(stage, rejected)

    def note(self, stage: str, rejected: Reject, *, number: int = 1) -> None:
        """Keep a reject that is no document, such as a line."""
        count = self._count(stage)
        kind = rejected.reason.partition(":")[0]
        count.reasons[kind] = count.reasons.get(kind, 0) + number
        if len(count.examples) < _EXAMPLES:
            text = " ".join(rejected.text[: 2 * _EXAMPLE_CHARACTERS].split())[:_EXAMPLE_CHARACTERS]
            count.examples.append(Example(reason=rejected.reason, id=rejected.id, text=text))
        self.rejects.setdefault(stage, []).append(rejected)

    def replaced(self, stage: str, counts: dict[str, int]) -> None:
        reasons = self._count(stage).reasons
        for kind, number in counts.items():
            reasons[kind] = reasons.get(kind, 0) + number

    def _count(self, stage: str) -> StageCount:
        return self.counts.setdefault(stage, StageCount())


class Chunk:
    """The files of one chunk in one pass. It is whole once its counts are there, which are written last."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._name = folder, f"{number:06d}"

    @property
    def is_whole(self) -> bool:
        return self._counts.exists()

    @property
    def texts(self) -> Path:
        return self._folder / f"{self._name}.jsonl.zst"

    @property
    def array(self) -> Path:
        """Keys of lines, or signatures."""
        return self._folder / f"{self._name}.bin"

    @property
    def _counts(self) -> Path:
        return self._folder / f"{self._name}.json"

    def rejects(self, stage: str) -> Path:
        return self._folder / f"{self._name}.{stage}.rejects.zst"

    def read(self) -> Iterator[Text]:
        decoder = msgspec.json.Decoder(Text)
        with zstandard.open(self.texts, "rb") as stored:
            for line in io.BufferedReader(stored, 2**18):
                yield decoder.decode(line)

    def counts(self) -> dict[str, StageCount]:
        return msgspec.json.decode(self._counts.read_bytes(), type=dict[str, StageCount])

    def write(self, texts: list[Any], tally: Tally, array: bytes | None = None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self.texts, _lines(texts))
        if array is not None:
            _write(self.array, array)
        for stage, rejects in tally.rejects.items():
            _write(self.rejects(stage), _lines(rejects))
        _write(self._counts, msgspec.json.encode(tally.counts))


def _lines(values: list[Any]) -> bytes:
    """One Zstandard frame, so that chunks' files can be put one behind the other."""
    return zstandard.ZstdCompressor(level=6).compress(b"".join(msgspec.json.encode(value) + b"\n" for value in values))


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
