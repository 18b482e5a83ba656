"""``aquilon train tokenizer``: a byte-level BPE vocabulary from text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.text.tokenizer import Tokenizer
    from aquilon.training.tokenizer_building import Progress
    from aquilon.training.tokenizer_report import TokenizerReport

_PHASES = {"read": "Reading", "train": "Learning tokens", "measure": "Measuring"}


def tokenizer(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE…", help=".txt, .jsonl or .parquet, also .xz, .gz, .zst; or folders.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The tokenizer's folder.", show_default=False)],
    vocab_size: Annotated[int, typer.Option("--vocab-size", min=300, max=2**20, help="Its number of tokens.")] = 8192,
    languages: Annotated[
        str | None, typer.Option("--languages", metavar="fr,de", help="Learn from these languages alone.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train a tokenizer on text.

    It learns from as many bytes of each language: the one in a document's
    field "language", else each SOURCE counts as a language. DIR/report.html
    shows bytes per token beside Mistral's tokenizers and the default model's.

    \b
    Examples:
      aquilon train tokenizer novels/ --vocab-size 32768 --out tokenizer
      aquilon train tokenizer french.txt german.jsonl.xz --out tokenizer
    """
    from aquilon.cli.output import err, print_structs
    from aquilon.settings import DEFAULT_MODEL
    from aquilon.training.data.languages import language_list
    from aquilon.training.tokenizer_building import build_tokenizer

    with _progress() as progress:
        report = build_tokenizer(
            sources,
            out,
            vocab_size=vocab_size,
            languages=language_list(languages),
            peers={DEFAULT_MODEL: _stored_tokenizer(home, DEFAULT_MODEL)},
            progress=progress,
        )
    if report.unreadable:
        err().print(f"{report.unreadable:,} lines or pieces of the sources can't be read and were left out.")
    if as_json:
        print_structs(report)
    else:
        _print(report, out)


def _print(report: TokenizerReport, out: Path) -> None:
    from rich.table import Table

    from aquilon.cli.output import out as console

    shown = Table(box=None, pad_edge=False)
    shown.add_column("BYTES PER TOKEN")
    names = list(dict.fromkeys(measure.tokenizer for measure in report.measures))
    for name in names:
        shown.add_column(name, justify="right")
    for language in dict.fromkeys(measure.language for measure in report.measures):
        row = [measure for measure in report.measures if measure.language == language]
        shown.add_row(language, *(f"{measure.bytes_per_token:.3f}" for measure in row))
    console().print(shown)
    console().print(f"{report.vocab_size:,} tokens in {out}; more in {out / 'report.html'}", markup=False)


def _stored_tokenizer(home: Path | None, name: str) -> Tokenizer | None:
    """A model's tokenizer, if the home has the model."""
    from aquilon.checkpoints.opening import open_checkpoint
    from aquilon.checkpoints.store import ModelStore
    from aquilon.checkpoints.text import load_text
    from aquilon.cli.options import settings_from

    store = ModelStore(settings_from(home=home).models_folder)
    return load_text(open_checkpoint(store.get(name).path)).tokenizer if name in store else None


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr for each phase; nothing where that is no terminal."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn

    from aquilon.cli.output import err

    console = err()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(_PHASES[phase], total=total)
            bar.update(tasks[phase], completed=done)

        yield show
