"""Documents that contain parts of evaluation sets, by shared runs of words.

Brown et al. 2020 (arXiv:2005.14165) take 13 words; a shorter item of an evaluation counts as a whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from datatrove.utils.hashes.sha1 import sha1_hash64
from datatrove.utils.text import simplify_text

from aquilon.training.data.documents import UnreadableSource

_RUN = 13
_SHORTEST = 8
_LONGEST_LINE = 2**22


class EvaluationSets:
    """Runs of words in evaluation sets, by the set's name."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Files of ``.jsonl``, ``.tsv``, ``.csv`` or ``.txt``, an item a line. Raises UnreadableSource."""
        self._runs: dict[int, str] = {}
        self._lengths = {_RUN}
        for path in paths:
            for item in _items(path):
                words = _words(item)
                length = min(_RUN, len(words))
                if length >= _SHORTEST:
                    self._lengths.add(length)
                    for run in _runs(words, length):
                        self._runs.setdefault(run, path.name)

    def __len__(self) -> int:
        return len(self._runs)

    def match(self, text: str) -> tuple[str, str] | None:
        """The set's name and the words of the first run that a text shares with one."""
        if not self._runs:
            return None
        words = _words(text)
        for length in self._lengths:
            for start, run in enumerate(_runs(words, length)):
                if run in self._runs:
                    return self._runs[run], " ".join(words[start : start + length])
        return None


def _words(text: str) -> list[str]:
    """Without capitals, accents and signs, every number as 0."""
    return str(simplify_text(text)).split()


def _runs(words: list[str], length: int) -> Iterator[int]:
    for start in range(len(words) - length + 1):
        yield int(sha1_hash64(" ".join(words[start : start + length])))


def _items(path: Path) -> Iterator[str]:
    """The texts of a set's items; an item's fields apart, since a document may hold the question alone."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if path.suffix == ".jsonl":
                for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), ""), 1):
                    try:
                        yield from _strings(msgspec.json.decode(line)) if line.strip() else ()
                    except msgspec.DecodeError as error:
                        raise UnreadableSource(path, f"is no JSON: {error}", line=number) from None
            elif path.suffix == ".csv":
                for row in csv.reader(lines):
                    yield from row
            elif path.suffix in (".tsv", ".txt"):  # a quotation mark in them is one
                for line in iter(lambda: lines.readline(_LONGEST_LINE), ""):
                    yield from line.split("\t")
            else:
                raise UnreadableSource(
                    path, "is of an unknown kind: an evaluation set ends in .jsonl, .tsv, .csv, .txt"
                )
    except UnicodeDecodeError as error:
        raise UnreadableSource(path, f"is not UTF-8: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise UnreadableSource(path, f"can't be read: {error.strerror}") from None
    except csv.Error as error:
        raise UnreadableSource(path, f"is no table: {error}") from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
