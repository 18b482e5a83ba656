"""Bytes per token on held-out text in each language: our tokenizer of 32,768 tokens beside others.

``AQUILON_TEXT`` names a folder of sources. A document's language is its field ``language``, or the
beginning of its file's name, as in ``fra-law.txt.xz``. Every twentieth document is held out.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from aquilon.checkpoints.opening import open_checkpoint
from aquilon.checkpoints.text import load_text
from aquilon.text.huggingface import tokenizer_from_folder
from aquilon.training.data.documents import Document, read_documents, source_files
from aquilon.training.data.language_sample import LanguageSample
from aquilon.training.data.languages import short_code
from aquilon.training.tokenizer import train_tokenizer
from aquilon.training.tokenizer_building import SAMPLE_BYTES
from aquilon.training.tokenizer_report import measure, mistral_peers
from bench import report
from bench.engine import default_model

_HELD_OUT_EVERY = 20
_MEASURED_CHARACTERS = 2_000_000
_PIECE = 2**14


def main(*, quick: bool = False) -> None:
    folder = os.environ.get("AQUILON_TEXT")
    if folder is None:
        print("skipped: AQUILON_TEXT must name a folder of text", file=sys.stderr)
        return
    sample = LanguageSample(most_bytes=SAMPLE_BYTES // (16 if quick else 1))
    held_out: dict[str, str] = {}
    for kind, language, document in _documents(Path(folder)):
        if document.number % _HELD_OUT_EVERY:
            sample.add(language, document.text)
        else:
            key = f"{language}, {kind}"
            held_out[key] = held_out.get(key, "") + document.text[:200_000]
    texts = {key: text[:_MEASURED_CHARACTERS] for key, text in held_out.items()}
    with tempfile.TemporaryDirectory() as out:
        started_at = time.perf_counter()
        train_tokenizer(sample.learnt(), 2**15, Path(out))
        print(
            f"{sample.learnt_bytes() / 2**20:.0f} MiB of each of {', '.join(sorted(sample.seen))}, "
            f"trained in {time.perf_counter() - started_at:.0f} s"
        )
        known = {"ours, 32k": tokenizer_from_folder(Path(out)), **mistral_peers()}
        known["SmolLM2"] = load_text(open_checkpoint(default_model())).tokenizer
        measures = measure(known, texts)
    rows = [
        [key, *(f"{one.bytes_per_token:.3f} · {one.tokens_per_word:.3f}" for one in measures if one.language == key)]
        for key in sorted(texts)
    ]
    print(report.table(["bytes per token · tokens per word", *known], rows))
    report.keep(
        "tokenizers", [[one.tokenizer, one.language, one.bytes_per_token, one.tokens_per_word] for one in measures]
    )


def _documents(folder: Path) -> Iterator[tuple[str, str, Document]]:
    """Each document with its folder's name and its language."""
    for path in source_files([folder]):
        for document in read_documents(path, refuse=lambda problem: None, piece_bytes=_PIECE):
            language = short_code(document.fields.get("language")) or short_code(path.name.partition(".")[0])
            if language is not None:
                yield path.parent.name, language, document
