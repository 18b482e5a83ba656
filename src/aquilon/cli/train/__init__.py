"""``aquilon train``: from raw text to a trained model, one file a command."""

from __future__ import annotations

import typer

from aquilon.cli.train import data, dpo, pairs, pretrain, resume, sft, show, tokenizer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Text to a tokenizer to a trained model.")


@app.callback()
def _group() -> None:
    """Keeps the commands' names, however many there are."""


app.command("data", short_help="Clean text: languages, quality, duplicates, personal data.")(data.data)
app.command("tokenizer", short_help="Train a tokenizer on text.")(tokenizer.tokenizer)
app.command("pretrain", short_help="Train a new model on text.")(pretrain.pretrain)
app.command("sft", short_help="Fine-tune a model on conversations.")(sft.sft)
app.command("pairs", short_help="Make preference pairs of votes in the chat.")(pairs.pairs)
app.command("dpo", short_help="Train a model by preferences.")(dpo.dpo)
app.command("resume", short_help="Go on with a run that was paused or killed.")(resume.resume)
app.command("show", short_help="Show a run's state, losses and speed.")(show.show)
