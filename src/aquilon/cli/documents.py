"""``aquilon documents``: what is read out of a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from aquilon.cli.options import AsJson

documents = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What is read out of a document.")

_NOTES = {
    "encoding_guessed": "The encoding is a guess: look at letters with accents",
    "ocr_used": "Some pages are pictures and were read by OCR, which makes mistakes",
    "pages_without_text": "Some pages are pictures or damaged, and nothing was read out of them",
    "truncated": "The document is longer, wider or nested deeper than what is read of one: the rest is left out",
}


@documents.callback()
def _group() -> None:
    """Makes ``read`` a command of the group, though it is the only one."""


@documents.command("read")
def read_document(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    as_json: AsJson = False,
) -> None:
    """Print the text that models see of a document.

    PDF, DOCX, ODT, PPTX, XLSX, ODS, HTML, Markdown, text, CSV, TSV and
    e-mail (.eml), told apart by their content. It needs no server and no home.

    \b
    Examples:
      aquilon documents read report.pdf
      aquilon documents read report.pdf --json    # its blocks, with their pages
    """
    import asyncio

    from aquilon.cli.output import err, print_structs, printable
    from aquilon.extraction import extract

    with _progress(file.name) as on_progress:
        document = asyncio.run(extract(file.resolve(), name=file.name, on_progress=on_progress))
    if as_json:
        print_structs(document)
        return
    print(printable(document.text))
    for note in document.notes:
        err().print(_NOTES[note], markup=False)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr while a long document is read; nothing where that is no terminal."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from aquilon.cli.output import err

    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Reading {escape(name)}", total=1.0)
        yield lambda share: bar.update(task, completed=share)
