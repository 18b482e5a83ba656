"""Tokenizes sources into shards of a run, once: a run that is resumed uses those that are there."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import tokenizers

from aquilon.checkpoints.store import sha256_of
from aquilon.training.data.documents import Document, UnreadableSource, read_documents, source_files
from aquilon.training.data.shards import Shard, ShardError, ShardWriter
from aquilon.training.protocol import UnusableJob

_SOURCES = "sources.json"
_DOCUMENTS_AT_ONCE = 256
_CHARACTERS_AT_ONCE = 2**22
ENDS_OF_DOCUMENTS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>")


class ChangedData(ValueError):
    """The sources aren't those that the run began with; the message names what has changed."""


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was tokenized."""

    path: str
    bytes: int
    modified: int
    """Nanoseconds since 1970."""
    sha256: str


class PreparedSources(msgspec.Struct, frozen=True, kw_only=True):
    """What the shards of a run are made from."""

    tokenizer: str
    """SHA-256 of ``tokenizer.json``."""
    sources: list[list[SourceFile]]


Report = Callable[[int, int, int, int], None]
"""Is told of bytes read, bytes in all, documents and tokens."""


def prepare(
    folder: Path,
    sources: Sequence[Sequence[Path]],
    *,
    tokenizer: Path,
    report: Report,
    base_files: Sequence[Path] = (),
) -> list[Shard]:
    """Tokenize each source, one path or several, into a shard under ``folder``; those that are whole are kept.

    ``base_files``: those of the model that is trained further, which mustn't change either; the last that are recorded.

    Raises ChangedData if a source or the tokenizer has changed since, and UnreadableSource for bad text, or none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [source_files(source) for source in sources]
    digest = sha256_of(tokenizer / "tokenizer.json")
    record_sources(folder, [*files, list(base_files)] if base_files else files, digest)
    pipeline = tokenizers.Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    progress = _Progress(sum(path.stat().st_size for group in files for path in group), report)
    shards = []
    for number, group in enumerate(files):
        target = folder / f"source-{number}"
        try:
            shards.append(Shard(target))
        except ShardError:
            _tokenize(target, group, pipeline=pipeline, tokenizer=digest, progress=progress)
            shards.append(Shard(target))
        if not shards[-1].description.documents:
            raise UnreadableSource(group[0] if len(group) == 1 else group[0].parent, "holds no text")
    return shards


def end_of_document(pipeline: tokenizers.Tokenizer) -> int:
    """The token after each document. Raises UnusableJob for a tokenizer without one."""
    for name in ENDS_OF_DOCUMENTS:
        token_id: int | None = pipeline.token_to_id(name)
        if token_id is not None:
            return token_id
    raise UnusableJob(f"the tokenizer has no token that ends a document: it needs one of {ENDS_OF_DOCUMENTS}")


def _tokenize(
    target: Path, files: Sequence[Path], *, pipeline: tokenizers.Tokenizer, tokenizer: str, progress: _Progress
) -> None:
    end = end_of_document(pipeline)
    pipeline.encode_special_tokens = True  # a control token's name in a text stays text
    with ShardWriter(target, vocab_size=pipeline.get_vocab_size(), tokenizer=tokenizer) as writer:
        for path in files:
            for batch in _batches(read_documents(path)):
                tokens = _write(batch, pipeline, end, writer)
                progress.add(batch, tokens)
            progress.add_file(path)
        writer.finish()
    _return_memory()


def _write(batch: Sequence[Document], pipeline: tokenizers.Tokenizer, end: int, writer: ShardWriter) -> int:
    """Tokenize documents; the number of tokens. Their encodings, far larger than the texts, end here."""
    texts = [document.text for document in batch]
    before = writer.tokens
    for text, encoding in zip(texts, pipeline.encode_batch_fast(texts, add_special_tokens=False), strict=True):
        writer.add([*encoding.ids, end], num_bytes=len(text.encode()))
    return writer.tokens - before


def _return_memory() -> None:
    """Give what tokenizing has freed back to the system: glibc would keep hundreds of megabytes until the end."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    """Documents in groups that are small in number and in characters."""
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) >= _DOCUMENTS_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Progress:
    """Counts bytes of files: those that are read, of the present one what its texts have, less than all."""

    def __init__(self, total_bytes: int, report: Report) -> None:
        self._total, self._report = total_bytes, report
        self._bytes = self._within = self._documents = self._tokens = 0

    def add(self, documents: Sequence[Document], tokens: int) -> None:
        self._documents += len(documents)
        self._tokens += tokens
        size = documents[0].path.stat().st_size  # less than the texts' bytes where the file is compressed
        self._within = min(size - 1, self._within + sum(len(document.text.encode()) for document in documents))
        self._tell()

    def add_file(self, path: Path) -> None:
        self._bytes += path.stat().st_size
        self._within = 0
        self._tell()

    def _tell(self) -> None:
        self._report(self._bytes + self._within, self._total, self._documents, self._tokens)


def record_sources(folder: Path, files: Sequence[Sequence[Path]], tokenizer: str) -> PreparedSources:
    """Write down what the shards are made from; raises ChangedData if they were made from something else.

    ``tokenizer``: the SHA-256 of its file.
    """
    path = folder / _SOURCES
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        described = [[_described(file) for file in group] for group in files]
        prepared = PreparedSources(tokenizer=tokenizer, sources=described)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(prepared)))
        partial.rename(path)
        return prepared
    before = msgspec.json.decode(path.read_bytes(), type=PreparedSources)
    if before.tokenizer != tokenizer:
        raise ChangedData("the tokenizer isn't the one that the run began with: begin a new run for another tokenizer")
    names = [[str(file.resolve()) for file in group] for group in files]
    if names != [[file.path for file in group] for group in before.sources]:
        raise ChangedData("the data's files aren't those that the run began with: begin a new run for other data")
    for known in (file for group in before.sources for file in group):
        stat = Path(known.path).stat()
        if stat.st_size == known.bytes and stat.st_mtime_ns == known.modified:
            continue
        if stat.st_size != known.bytes or sha256_of(Path(known.path)) != known.sha256:
            raise ChangedData(f"{known.path} has changed since the run began: begin a new run, or put it back")
    return before


def prepared_sources(folder: Path) -> PreparedSources | None:
    """What the shards of a run are made from; None before they are."""
    path = folder / _SOURCES
    return msgspec.json.decode(path.read_bytes(), type=PreparedSources) if path.exists() else None


def _described(path: Path) -> SourceFile:
    stat = path.stat()
    return SourceFile(path=str(path.resolve()), bytes=stat.st_size, modified=stat.st_mtime_ns, sha256=sha256_of(path))
