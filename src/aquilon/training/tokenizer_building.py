"""From sources to a tokenizer's folder: sample, train, measure, and put it in its place once it is whole."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.text.tokenizer import Tokenizer
from aquilon.training.data.documents import Refuse, UnreadableSource, read_documents, source_files
from aquilon.training.data.identification import identify
from aquilon.training.data.language_sample import LanguageSample
from aquilon.training.data.languages import short_code
from aquilon.training.tokenizer import WORDS, train_tokenizer
from aquilon.training.tokenizer_report import Language, TokenizerReport, measure, mistral_peers, report_html

REPORT, REPORT_PAGE = "report.json", "report.html"
SAMPLE_BYTES = 256 * 2**20
_METHOD = 1

Progress = Callable[[str, int, int], None]
"""Is told of the phase (``read``, ``train``, ``measure``), of bytes done, and of bytes in all."""


class TokenizerRefused(ValueError):
    """A tokenizer that can't be trained; the message says why, and what would be right."""


def build_tokenizer(
    sources: Sequence[Path],
    out: Path,
    *,
    vocab_size: int,
    languages: Sequence[str] = (),
    sample_bytes: int = SAMPLE_BYTES,
    peers: Mapping[str, Tokenizer | None],
    progress: Progress,
) -> TokenizerReport:
    """Train on as many bytes of each language: that of a document's field ``language``, else that of its source.

    With ``languages`` only these are read, and documents without the field are identified. ``peers``: tokenizers to
    measure beside it, None where one isn't on this machine. The same sources and options again do nothing.

    Lines that can't be read are left out and counted. Raises TokenizerRefused for a folder that holds something
    else and for too little text, UnreadableSource for a damaged file.
    """
    fingerprint = _fingerprint(sources, vocab_size, languages, sample_bytes)
    if present := _present(out, fingerprint):
        return present
    unreadable: list[UnreadableSource] = []
    sample = _sample(sources, languages=languages, most_bytes=sample_bytes, refuse=unreadable.append, progress=progress)
    total = sample.learnt_bytes() * len(sample.seen)
    if not total:
        among = f" in {', '.join(languages)}" if languages else ""
        raise TokenizerRefused(f"the sources hold no text{among}")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        pipeline = train_tokenizer(_followed(sample.learnt(), total, progress), vocab_size, partial)
        if (learnt := pipeline.get_vocab_size()) < vocab_size:
            raise TokenizerRefused(
                f"{total:,} bytes of text are too few for {vocab_size} tokens: they give {learnt}. "
                f"Add text, or ask for --vocab-size {learnt} at most"
            )
        progress("measure", 0, 1)
        held_back = sample.held_back()
        all_held_back = len(held_back) == len(sample.seen)
        texts = held_back if all_held_back else {name: "".join(sample.learnt_of(name)) for name in sample.seen}
        known = {"this one": tokenizer_from_folder(partial), **mistral_peers()}
        known |= {name: peer for name, peer in peers.items() if peer is not None}
        report = TokenizerReport(
            sources=[str(source) for source in sources],
            fingerprint=fingerprint,
            vocab_size=vocab_size,
            words=WORDS,
            unreadable=len(unreadable),
            held_back=all_held_back,
            languages=[
                Language(
                    language=name,
                    seen_bytes=sample.seen[name],
                    learnt_bytes=sample.learnt_bytes(),
                    repeats=repeats,
                )
                for name, repeats in sorted(sample.repeats().items())
            ],
            measures=measure(known, texts),
            missing_peers=[name for name, peer in peers.items() if peer is None],
        )
        (partial / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report)))
        (partial / REPORT_PAGE).write_text(report_html(report))
        if out.exists():
            out.rmdir()  # an empty folder
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report


def _present(out: Path, fingerprint: str) -> TokenizerReport | None:
    """The report of the same tokenizer, if it is there already."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        report = msgspec.json.decode((out / REPORT).read_bytes(), type=TokenizerReport)
    except (OSError, msgspec.DecodeError):
        report = None
    if report is not None and report.fingerprint == fingerprint:
        return report
    content = "a tokenizer from other sources or options" if report is not None else "something else"
    raise TokenizerRefused(f"{out} holds {content} already: name another --out, or remove it")


def _sample(
    sources: Sequence[Path], *, languages: Sequence[str], most_bytes: int, refuse: Refuse, progress: Progress
) -> LanguageSample:
    sample = LanguageSample(most_bytes=most_bytes)
    groups = {source: source_files([source]) for source in sources}
    total = sum(path.stat().st_size for files in groups.values() for path in files)
    done = 0
    for source, files in groups.items():
        for path in files:
            for document in read_documents(path, refuse=refuse):
                stated = document.fields.get("language")
                language = short_code(stated) or (stated if isinstance(stated, str) and stated else None)
                if languages:
                    language = language or identify(document.text)
                    if language not in languages:
                        continue
                sample.add((language or _name(source))[:40], document.text)
                progress("read", done, total)
            done += path.stat().st_size
    progress("read", done, total)
    return sample


def _name(source: Path) -> str:
    """What a source is called where its language isn't stated: ``french`` for ``french.jsonl.xz``."""
    return source.name.partition(".")[0] or str(source)


def _followed(texts: Iterator[str], total: int, progress: Progress) -> Iterator[str]:
    done = 0
    for text in texts:
        yield text
        done += len(text.encode())
        progress("train", done, total)


def _fingerprint(sources: Sequence[Path], vocab_size: int, languages: Sequence[str], sample_bytes: int) -> str:
    files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in source_files(sources)]
    return hashlib.sha256(repr((_METHOD, files, vocab_size, list(languages), sample_bytes)).encode()).hexdigest()
