"""``aquilon train dpo``: train a model by preferences."""

from __future__ import annotations

from typing import Annotated

import typer

from aquilon.cli.options import Home
from aquilon.cli.train import tuning
from aquilon.cli.train.options import EventsAsJson, Ranks


def dpo(
    recipe: tuning.RecipeAndData = None,
    model: tuning.Model = None,
    data: tuning.Data = None,
    validation: tuning.ValidationData = None,
    lora: tuning.LoraRank = None,
    beta: Annotated[
        float | None,
        typer.Option(help="How strongly the model is held to what it was.", show_default="0.1"),
    ] = None,
    context: tuning.Context = None,
    epochs: Annotated[float | None, typer.Option(help="How often to read the data.", show_default="1")] = None,
    steps: tuning.Steps = None,
    minutes: tuning.Minutes = None,
    batch_tokens: tuning.BatchTokens = None,
    learning_rate: tuning.LearningRate = None,
    precision: tuning.Precision = None,
    recompute: tuning.Recompute = None,
    checkpoint_steps: tuning.CheckpointSteps = None,
    seed: tuning.Seed = None,
    home: Home = None,
    *,
    out: tuning.OutOrNone = None,
    check: tuning.CheckAlone = False,
    ranks: Ranks = 1,
    as_json: EventsAsJson = False,
) -> None:
    """Train a model to prefer some answers to others (DPO).

    A line of the data is OpenAI's {"input": {"messages": […]},
    "preferred_output": […], "non_preferred_output": […]}, or TRL's {"prompt":
    […], "chosen": […], "rejected": […]}. `aquilon conversations preferences`
    and `aquilon train pairs` write such files from what people voted for.

    RUN/model is the result: with --lora an adapter in peft's format. The same
    command goes on with a run that was paused or killed.

    \b
    Examples:
      aquilon train dpo --model smollm2-135m --data pairs.jsonl --lora 16 --out run
      aquilon train dpo --model run-sft --data pairs.jsonl --beta 0.2 --out run
      aquilon train dpo --model smollm2-135m --data pairs.jsonl --check
    """
    code = tuning.tune(
        "dpo",
        recipe,
        data,
        {
            "model": model,
            "validation": validation,
            "lora.rank": lora,
            "beta": beta,
            "context": context,
            "training.epochs": epochs,
            "training.steps": steps,
            "training.minutes": minutes,
            "training.batch_tokens": batch_tokens,
            "training.learning_rate": learning_rate,
            "training.precision": precision,
            "training.recompute": recompute,
            "training.checkpoint_steps": checkpoint_steps,
            "training.seed": seed,
        },
        home=home,
        out=out,
        check_alone=check,
        ranks=ranks,
        as_json=as_json,
    )
    raise typer.Exit(code)
