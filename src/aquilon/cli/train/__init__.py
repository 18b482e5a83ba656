"""``aquilon train``: from raw text to a trained model, one file a command."""

from __future__ import annotations

import typer

from aquilon.cli.train import data, tokenizer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Text to a tokenizer to a trained model.")


@app.callback()
def _group() -> None:
    """Keeps the commands' names, however many there are."""


app.command("data", short_help="Clean text: languages, quality, duplicates, personal data.")(data.data)
app.command("tokenizer", short_help="Train a tokenizer on text.")(tokenizer.tokenizer)
