"""``aquilon train sft``: fine-tune a model on conversations."""

from __future__ import annotations

from typing import Annotated

import typer

from aquilon.cli.options import Home
from aquilon.cli.train import tuning
from aquilon.cli.train.options import EventsAsJson, Ranks


def sft(
    recipe: tuning.RecipeAndData = None,
    model: tuning.Model = None,
    data: tuning.Data = None,
    validation: tuning.ValidationData = None,
    lora: tuning.LoraRank = None,
    context: tuning.Context = None,
    epochs: Annotated[float | None, typer.Option(help="How often to read the data.", show_default="3")] = None,
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
    """Fine-tune a model on conversations.

    A line of the data is {"messages": [{"role": "user", "content": "…"},
    {"role": "assistant", "content": "…"}], "tools": […]}, as OpenAI's files
    have it. The assistant's messages are trained, in the model's own chat
    template; a message with "weight": 0 isn't. All lines are checked first.

    RUN/model is the result: with --lora an adapter in peft's format. The same
    command goes on with a run that was paused or killed.

    \b
    Examples:
      aquilon train sft --model smollm2-135m --data chats.jsonl --lora 16 --out run
      aquilon train sft --model ./my-model --data chats.jsonl --epochs 2 --out run
      aquilon train sft --model smollm2-135m --data chats.jsonl --check
    """
    code = tuning.tune(
        "sft",
        recipe,
        data,
        {
            "model": model,
            "validation": validation,
            "lora.rank": lora,
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
