"""``aquilon train tokenizer``: a byte-level BPE vocabulary from text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def tokenizer(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE…", help="Files or folders of text.")],
    vocab_size: Annotated[int, typer.Option("--vocab-size", min=300, max=2**20, help="Tokens in all.")] = 8192,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for it.", show_default=False)] = ...,  # type: ignore[assignment]
) -> None:
    """Train a tokenizer on text."""
    from aquilon.training.data.documents import read_documents, source_files
    from aquilon.training.tokenizer import train_tokenizer

    texts = (document.text for path in source_files(sources) for document in read_documents(path))
    train_tokenizer(texts, vocab_size, out)
