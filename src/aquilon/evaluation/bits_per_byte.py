"""Bits per byte of text."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aquilon.evaluation.languages import language_of
from aquilon.evaluation.likelihood import target_logprobs
from aquilon.evaluation.results import TextRecord
from aquilon.evaluation.tasks import TextFile, TextTask
from aquilon.models.transformer import Transformer
from aquilon.text.tokenizer import Tokenizer
from aquilon.training.data.documents import Document, UnreadableSource, read_documents, source_files

LONGEST_WINDOW = 2048
_BATCH_TOKENS = {"cpu": 2048, "cuda": 32768}


def windows(tokens: int, size: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """How ``tokens`` tokens are predicted: the inputs ``begin`` to ``end``, and the first target that is counted.

    The target of input ``i`` is token ``i + 1``. Each token after the first is counted exactly once, after at least
    ``overlap`` inputs where there are so many. ``0 <= overlap < size``.
    """
    begin, counted = 0, 1
    while counted < tokens:
        end = min(begin + size, tokens - 1)
        yield begin, end, counted
        counted = end + 1
        begin = end - overlap


@dataclass
class _Scored:
    """A document while its windows are computed."""

    document: Document
    language: str | None
    bytes: int
    tokens: int
    unfinished: int
    nats: float = 0.0


@dataclass
class _Batch:
    sequences: list[tuple[list[int], list[int]]] = field(default_factory=list)
    owners: list[_Scored] = field(default_factory=list)
    tokens: int = 0


class TextScorer:
    """Predicts documents, several windows at once."""

    def __init__(self, transformer: Transformer, tokenizer: Tokenizer, task: TextTask) -> None:
        self._transformer, self._tokenizer = transformer, tokenizer
        context = transformer.architecture.max_context
        self.window = min(task.window or LONGEST_WINDOW, context)
        self.overlap = min(int(self.window * task.overlap), self.window - 1)
        self._batch_tokens = _BATCH_TOKENS.get(transformer.embedding.weight.device.type, 2048)

    def score(self, documents: Iterator[tuple[Document, str | None]]) -> Iterator[TextRecord]:
        """A record for each document with something to predict, in order. Raises UnreadableSource."""
        batch = _Batch()
        waiting: list[_Scored] = []
        for document, language in documents:
            ids, num_bytes = self._encoded(document)
            parts = list(windows(len(ids), self.window, self.overlap))
            if not parts:
                continue
            scored = _Scored(document, language, num_bytes, len(ids) - 1, len(parts))
            waiting.append(scored)
            for begin, end, counted in parts:
                targets = [-1] * (counted - 1 - begin) + ids[counted : end + 1]
                if batch.sequences and batch.tokens + end - begin > self._batch_tokens:
                    self._compute(batch)
                    batch = _Batch()
                batch.sequences.append((ids[begin:end], targets))
                batch.owners.append(scored)
                batch.tokens += end - begin
            while waiting and not waiting[0].unfinished:
                yield _record(waiting.pop(0))
        if batch.sequences:
            self._compute(batch)
        yield from map(_record, waiting)

    def _encoded(self, document: Document) -> tuple[list[int], int]:
        """The ids, with the token that begins a text where the model has one, and how many bytes are predicted.

        Control tokens after the text, which some tokenizers add, aren't text.
        """
        try:
            ids = self._tokenizer.encode(document.text)
        except ValueError as error:
            raise UnreadableSource(document.path, str(error), line=document.number) from None
        while ids and self._tokenizer.is_control(ids[-1]):
            ids.pop()
        num_bytes = len(document.text.encode())
        if ids and not self._tokenizer.is_control(ids[0]):
            first = self._tokenizer.token_bytes(ids[0])
            num_bytes -= len(first.removeprefix(b" ") if self._tokenizer.starts_text(()) else first)
        return ids, num_bytes

    def _compute(self, batch: _Batch) -> None:
        for scored, logprobs in zip(batch.owners, target_logprobs(self._transformer, batch.sequences), strict=True):
            scored.nats -= float(logprobs.double().sum())
            scored.unfinished -= 1


def _record(scored: _Scored) -> TextRecord:
    return TextRecord(
        file=str(scored.document.path),
        number=scored.document.number,
        language=scored.language,
        bits=scored.nats / math.log(2),
        bytes=scored.bytes,
        tokens=scored.tokens,
    )


def read_texts(
    files: Sequence[TextFile],
    *,
    limit: int | None = None,
    bytes: int | None = None,
    on_read: Callable[[int], None] = lambda size: None,
) -> Iterator[tuple[Document, str | None]]:
    """The documents of all files with their languages: at most ``limit`` of each, and ``bytes``, at which one is cut.

    A folder's files say their languages by their names, unless the folder has one.

    ``on_read`` gets the size of each document's text before the document is returned. Raises UnreadableSource.
    """
    most = sys.maxsize if bytes is None else bytes
    for file in files:
        for path in source_files([Path(file.path)]):
            size, language = 0, file.language or language_of(path)
            for count, document in enumerate(read_documents(path)):
                if limit is not None and count >= limit:
                    break
                text = document.text.encode(errors="surrogatepass")
                if is_last := len(text) >= most - size:
                    text = _beginning(text, most - size)
                    document = replace(document, text=text.decode(errors="surrogatepass"))
                size += len(text)
                on_read(len(text))
                yield document, language
                if is_last:
                    break


def _beginning(text: bytes, size: int) -> bytes:
    """Whole characters, of ``size`` bytes at most."""
    while text[size : size + 1] and text[size] & 0b1100_0000 == 0b1000_0000:  # inside a character
        size -= 1
    return text[:size]
