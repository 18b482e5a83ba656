"""Encodes conversations and pairs into shards of a run, once: a run that is resumed uses those that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aquilon.training.conversations.base import Base
from aquilon.training.conversations.encoding import Document
from aquilon.training.conversations.lines import UnusableLine, conversation, pair
from aquilon.training.data.documents import UnreadableSource, read_objects, source_files
from aquilon.training.data.preparing import Report, SourceFile, record_sources
from aquilon.training.data.shards import Shard, ShardError, ShardWriter

Encode = Callable[[Base, dict[str, object]], list[Document]]
"""The documents of one line. Raises UnusableLine."""

_TRAINING, _VALIDATION = "training", "validation"


@dataclass(frozen=True)
class PreparedData:
    training: Shard
    validation: Shard | None
    base_files: list[SourceFile]
    """The base's, as they were when the run began."""


def conversation_documents(base: Base, fields: dict[str, object]) -> list[Document]:
    return base.encoder.documents(conversation(fields))


def pair_documents(base: Base, fields: dict[str, object]) -> list[Document]:
    """The preferred ending's document, then the rejected one's."""
    return list(base.encoder.pair(pair(fields)))


def prepare(
    folder: Path,
    *,
    base: Base,
    data: Sequence[Path],
    validation: Sequence[Path],
    encode: Encode,
    report: Report,
) -> PreparedData:
    """Encode the data, and the validation data if there is any, into shards under ``folder``.

    Raises ChangedData if data or model have changed since the run began, and UnreadableSource, with the number of the
    line, for one that can't be trained on.
    """
    groups = {_TRAINING: source_files(data)} | ({_VALIDATION: source_files(validation)} if validation else {})
    record = record_sources(folder, [*groups.values(), base.checkpoint.all_files], "of the model")
    total = sum(path.stat().st_size for group in groups.values() for path in group)
    bytes_before, examples, tokens = 0, 0, 0
    shards: dict[str, Shard] = {}
    for name, files in groups.items():
        try:
            shards[name] = Shard(folder / name)
            continue
        except ShardError:
            pass
        with ShardWriter(
            folder / name, vocab_size=base.checkpoint.architecture.vocab_size, tokenizer=record.tokenizer, trained=True
        ) as writer:
            for path in files:
                size, within = path.stat().st_size, 0  # less than the lines' bytes where the file is compressed
                for number, fields in read_objects(path):
                    within = min(size - 1, within + len(msgspec.json.encode(fields)))
                    for document in _encoded(base, fields, encode, path=path, number=number):
                        writer.add(document.ids, num_bytes=0, trained=document.trained)
                        tokens += len(document.ids)
                    examples += 1
                    report(bytes_before + within, total, examples, tokens)
                bytes_before += size
                report(bytes_before, total, examples, tokens)
            writer.finish()
        shards[name] = Shard(folder / name)
    for name, files in groups.items():
        if not shards[name].description.documents:
            raise UnreadableSource(files[0], "holds no conversation: the file is empty")
    return PreparedData(shards[_TRAINING], shards.get(_VALIDATION), record.sources[-1])


def _encoded(base: Base, fields: dict[str, object], encode: Encode, *, path: Path, number: int) -> Iterator[Document]:
    try:
        documents = encode(base, fields)
        for document in documents:
            base.require_fit(document)
    except UnusableLine as error:
        raise UnreadableSource(path, str(error), line=number) from None
    yield from documents
