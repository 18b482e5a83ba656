"""``aquilon train data``: raw text to clean text, with a report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import AsJson

if TYPE_CHECKING:
    from aquilon.training.data.cleaning.cleaning import Progress
    from aquilon.training.data.cleaning.report import CleaningReport

_PASSES = {"identify": "Reading and identifying", "judge": "Judging quality", "finish": "Removing duplicates"}


def data(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE…", help=".txt, .jsonl or .parquet, also .xz, .gz, .zst; or folders.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the result goes.", show_default=False)],
    languages: Annotated[
        str | None, typer.Option("--languages", metavar="fr,de", help="Keep these languages alone.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", metavar="EVALSET", help="A test set of which nothing may remain; may repeat."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="Processes.", show_default="one a processor core")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Clean text: languages, quality, duplicates, personal data.

    DIR/text is the result, a source for the other commands. DIR/report.html
    shows what each stage did, DIR/rejects holds what it rejected and why. A
    command that was stopped goes on where it was when it is given again.

    \b
    Examples:
      aquilon train data crawl/ --languages fr,de --out clean
      aquilon train data crawl/ --against gsm8k-test.jsonl --out clean
    """
    import os

    from aquilon.cli.output import err, print_structs
    from aquilon.training.data.identification import MissingPackage
    from aquilon.training.data.languages import language_list

    try:
        from aquilon.training.data.cleaning.cleaning import clean
    except ImportError as error:
        raise MissingPackage(f"cleaning text needs {error.name}: pip install 'aquilon[train]'") from None
    try:
        with _progress() as progress:
            report = clean(
                sources,
                out,
                languages=language_list(languages),
                against=against or [],
                workers=workers or os.cpu_count() or 1,
                progress=progress,
            )
    except KeyboardInterrupt:
        err().print("Stopped. The same command goes on from here.")
        raise
    if as_json:
        print_structs(report)
    else:
        _print(report, out)


def _print(report: CleaningReport, out: Path) -> None:
    from rich.table import Table

    from aquilon.cli.output import err
    from aquilon.cli.output import out as console
    from aquilon.wording import counted

    shown = Table(box=None, pad_edge=False)
    shown.add_column("STAGE")
    for column in ("DOCUMENTS KEPT", "REJECTED", "MB KEPT"):
        shown.add_column(column, justify="right")
    for name, count in report.stages.items():
        shown.add_row(name, f"{count.documents:,}", f"{count.rejected:,}", f"{count.bytes / 1e6:,.1f}")
    console().print(shown)
    console().print(f"The text is in {out / 'text'}; more in {out / 'report.html'}", markup=False)
    unreadable = sum(report.stages["read"].reasons.values())
    if unreadable:
        what = counted(unreadable, "line, document or file", "lines, documents or files")
        err().print(f"{what} can't be read: see {out / 'rejects' / 'read.jsonl.zst'}", markup=False)
    if not report.documents:
        err().print("Nothing is left of the text.")


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr for each pass; nothing where that is no terminal."""
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from aquilon.cli.output import err

    console = err()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(_PASSES[name], total=total)
            bar.update(tasks[name], completed=done)

        yield show
