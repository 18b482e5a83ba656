"""``aquilon train pretrain``: a new model from text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aquilon.cli.options import Home, settings_from
from aquilon.cli.train.options import EventsAsJson, Out, Ranks


def pretrain(
    recipe: Annotated[
        list[str] | None,
        typer.Argument(metavar="RECIPE.toml", help="A recipe; options override it.", show_default=False),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="SOURCE…", help="Files or folders: .txt, .jsonl, .parquet; .gz, .xz, .zst."),
    ] = None,
    tokenizer: Annotated[Path | None, typer.Option(metavar="DIR", help="From `aquilon train tokenizer`.")] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Train this model further, in place of a new one.", show_default=False),
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(min=1, metavar="RANK", help="With --base: train an adapter.", show_default="all weights"),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(
            "--validation", metavar="SOURCE", help="Text to measure on.", show_default="every hundredth row of the data"
        ),
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Layers; the rest follows.", show_default="6")] = None,
    context: Annotated[int | None, typer.Option(min=1, help="Tokens of a row.", show_default="by depth")] = None,
    steps: Annotated[int | None, typer.Option(min=1, show_default="20 tokens a parameter")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train, in place of --steps.")] = None,
    epochs: Annotated[float | None, typer.Option(help="How often to read the data, in place of --steps.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of one step.", show_default="by size")] = None,
    learning_rate: Annotated[float | None, typer.Option(show_default="by size")] = None,
    optimizer: Annotated[str | None, typer.Option(help="muon or adamw.", show_default="muon")] = None,
    precision: Annotated[
        str | None, typer.Option(help="bfloat16 or float32.", show_default="bfloat16 where the machine has it")
    ] = None,
    compile_layers: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="torch.compile.", show_default="on GPUs")
    ] = None,
    recompute: Annotated[
        bool | None, typer.Option("--recompute/--no-recompute", help="Less memory, more time.", show_default="off")
    ] = None,
    checkpoint_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps between checkpoints.", show_default="every five minutes")
    ] = None,
    keep_checkpoints: Annotated[int | None, typer.Option(min=1, show_default="2")] = None,
    validation_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps between measurements.", show_default="20 a run")
    ] = None,
    seed: Annotated[int | None, typer.Option(show_default="0")] = None,
    *,
    out: Out,
    ranks: Ranks = 1,
    home: Home = None,
    as_json: EventsAsJson = False,
) -> None:
    """Train a new model on text, or a model that is there further.

    The same command goes on with a run that was paused or killed, exactly
    where it was; `aquilon train resume RUN` is shorter. Ctrl-C writes a
    checkpoint and ends. RUN/report.html shows the run when it is finished.

    \b
    Examples:
      aquilon train pretrain --data corpus.txt --tokenizer tokenizer --minutes 10 --out run
      aquilon train pretrain recipe.toml --steps 2000 --out run
      aquilon train pretrain --data prose/ --base smollm2-135m --epochs 1 --out run
      aquilon train pretrain --data corpus/*.jsonl.zst --tokenizer tokenizer --depth 12 --ranks 8 --out run
    """
    from aquilon.checkpoints.store import ModelStore
    from aquilon.cli.export import source_path
    from aquilon.cli.train.recipe import job_of, read_recipe
    from aquilon.cli.train.running import begin_or_resume, refused_with_usage

    with refused_with_usage():
        path, sources = _recipe_and_sources(recipe or [], data or [])
        fields = read_recipe(path, "pretrain") if path is not None else {"kind": "pretrain"}
        job = job_of(
            _with_sources(fields),
            {
                "data": [{"path": str(Path(source).resolve())} for source in sources] or None,
                "tokenizer": None if tokenizer is None else str(tokenizer.resolve()),
                "base": None
                if base is None
                else str(source_path(base, ModelStore(settings_from(home=home).models_folder))),
                "lora": None if lora is None else {"rank": lora},
                "validation": [str(Path(source).resolve()) for source in validation] if validation else None,
                "model.depth": depth,
                "model.context": context,
                "training.steps": steps,
                "training.minutes": minutes,
                "training.epochs": epochs,
                "training.batch_tokens": batch_tokens,
                "training.learning_rate": learning_rate,
                "training.optimizer": optimizer,
                "training.precision": precision,
                "training.compile": compile_layers,
                "training.recompute": recompute,
                "training.checkpoint_steps": checkpoint_steps,
                "training.keep_checkpoints": keep_checkpoints,
                "training.validation_steps": validation_steps,
                "training.seed": seed,
            },
            where=str(path) if path is not None else "the command",
        )
        code = begin_or_resume(out, job, ranks=ranks, as_json=as_json)
    raise typer.Exit(code)


def _recipe_and_sources(arguments: list[str], data: list[str]) -> tuple[Path | None, list[str]]:
    """The recipe, and the sources: ``--data a.txt b.txt`` leaves the second to the arguments."""
    from aquilon.training.protocol import UnusableJob

    recipes = [argument for argument in arguments if argument.endswith(".toml")]
    sources = [argument for argument in arguments if not argument.endswith(".toml")]
    if len(recipes) > 1:
        raise UnusableJob(f"{' and '.join(recipes)} are two recipes: a run has one")
    if sources and not data:
        raise UnusableJob(f"{sources[0]} is no recipe, whose name ends in .toml: --data {sources[0]} names it as text")
    if not recipes and not data:
        raise UnusableJob("there is nothing to train on: name a recipe, or text with --data and a --tokenizer")
    return Path(recipes[0]) if recipes else None, data + sources


def _with_sources(fields: dict[str, Any]) -> dict[str, Any]:
    """A recipe may name its sources by their paths alone."""
    sources = fields.get("data")
    if not isinstance(sources, list):
        return fields
    return fields | {"data": [{"path": source} if isinstance(source, str) else source for source in sources]}
