"""What ``aquilon train sft`` and ``dpo`` share: options, the check of the data, and the start of the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from aquilon.training.protocol import Dpo, Sft
    from aquilon.training.validation import Check

RecipeAndData = Annotated[
    list[str] | None,
    typer.Argument(metavar="RECIPE.toml", help="A recipe; options override it.", show_default=False),
]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME|PATH", help="A model of the store, a checkpoint, or a run.")
]
Data = Annotated[
    list[str] | None, typer.Option("--data", metavar="FILE…", help="Lines of JSON: .jsonl; .gz, .xz, .zst.")
]
ValidationData = Annotated[
    list[str] | None,
    typer.Option("--validation", metavar="FILE", help="Lines to measure on.", show_default=False),
]
LoraRank = Annotated[
    int | None,
    typer.Option("--lora", min=1, metavar="RANK", help="Train an adapter of this rank.", show_default="all weights"),
]
Context = Annotated[
    int | None,
    typer.Option("--context", min=1, help="Tokens of the longest line.", show_default="the model's, at most 4096"),
]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="In place of --epochs.", show_default=False)]
Minutes = Annotated[
    float | None, typer.Option("--minutes", help="How long to train, in place of --epochs.", show_default=False)
]
BatchTokens = Annotated[
    int | None, typer.Option("--batch-tokens", min=1, help="Tokens of one step.", show_default="8192, or less")
]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", show_default="by size")]
Precision = Annotated[
    str | None,
    typer.Option("--precision", help="bfloat16 or float32.", show_default="bfloat16 where the machine has it"),
]
Recompute = Annotated[
    bool | None, typer.Option("--recompute/--no-recompute", help="Less memory, more time.", show_default="off")
]
CheckpointSteps = Annotated[
    int | None,
    typer.Option("--checkpoint-steps", min=1, help="Steps between checkpoints.", show_default="every five minutes"),
]
Seed = Annotated[int | None, typer.Option("--seed", show_default="0")]
OutOrNone = Annotated[
    Path | None,
    typer.Option("--out", metavar="RUN", help="The run's folder; one that is there goes on.", show_default=False),
]
CheckAlone = Annotated[bool, typer.Option("--check", help="Check the data, estimate time and memory, and end.")]


def tune(
    kind: str,
    arguments: list[str] | None,
    data: list[str] | None,
    options: dict[str, Any],
    *,
    home: Path | None,
    out: Path | None,
    check_alone: bool,
    ranks: int,
    as_json: bool,
) -> int:
    """Check the data of a job, then begin its run or go on with it. The exit code."""
    from aquilon.cli.train.recipe import job_of, read_recipe
    from aquilon.cli.train.running import begin_or_resume, refused_with_usage
    from aquilon.training.protocol import JOB, UNUSABLE, Dpo, Sft, UnusableJob
    from aquilon.training.validation import check

    recipes = [argument for argument in arguments or [] if argument.endswith(".toml")]
    files = [*(data or []), *(argument for argument in arguments or [] if not argument.endswith(".toml"))]
    with refused_with_usage():
        if len(recipes) > 1:
            raise UnusableJob(f"{' and '.join(recipes)} are two recipes: a run has one")
        fields = read_recipe(Path(recipes[0]), kind) if recipes else {"kind": kind}
        options["model"] = None if options["model"] is None else _model_path(options["model"], home)
        options["data"] = [str(Path(file).resolve()) for file in files] or None
        validation = options["validation"]
        options["validation"] = [str(Path(file).resolve()) for file in validation] if validation else None
        for name, option in (("model", "--model"), ("data", "--data")):
            if options[name] is None and name not in fields:
                raise UnusableJob(f"there is no {name}: name it with {option}, or in a recipe")
        job = job_of(fields, options, where=recipes[0] if recipes else "the command")
        assert isinstance(job, Sft | Dpo)
        if out is None and not check_alone:
            raise UnusableJob("--out is missing: it names the run's folder. --check alone needs none")
        if check_alone or out is None or not (out / JOB).exists():
            result = check(job)
            _show(result, job, as_json=as_json and check_alone)
            if check_alone or out is None or not result.is_usable:
                return 0 if result.is_usable else UNUSABLE
        return begin_or_resume(out, job, ranks=ranks, as_json=as_json)


def _model_path(name: str, home: Path | None) -> str:
    """A path as it is, else the folder of a model in the store. Raises UnusableJob."""
    from aquilon.checkpoints.store import StoreError
    from aquilon.cli.options import model_store
    from aquilon.training.protocol import UnusableJob

    path = Path(name)
    if path.exists():
        return str(path.resolve())
    if "/" in name:
        raise UnusableJob(f"--model: {name} does not exist")
    try:
        return str(model_store(home).get(name).path.resolve())
    except StoreError as error:
        raise UnusableJob(f"--model: {error}") from None


def _show(result: Check, job: Sft | Dpo, *, as_json: bool) -> None:
    """On standard output what a program asked for; for people everything goes to standard error."""
    from aquilon.cli.output import err, print_structs, printable
    from aquilon.training.validation import faults

    if as_json:
        print_structs(result)
        return
    console = err()
    for fault in faults(result.problems):
        where = f"{fault.path}, {fault.place}" if fault.place else fault.path
        console.print(f"aquilon: {printable(f'{where}: {fault.message}')}", markup=False)
    if (more := result.problem_count - len(result.problems)) > 0:
        console.print(f"aquilon: … and {more:,} more", markup=False)
    for note in result.notes:
        console.print(f"Note: {printable(note)}", markup=False)
    if result.statistics.lines:
        _show_statistics(result, job, console)


def _show_statistics(result: Check, job: Sft | Dpo, console: Console) -> None:
    from aquilon.checkpoints.arrival import size_text
    from aquilon.training.protocol import Sft
    from aquilon.wording import counted, duration_text, parameters_text

    read, estimate = result.statistics, result.estimate
    what = "conversation" if isinstance(job, Sft) else "pair"
    console.print(
        f"{counted(read.lines, what)} of {counted(read.tokens, 'token')}, {read.trained_tokens:,} of them trained; "
        f"the longest has {read.longest:,}",
        markup=False,
    )
    if estimate is None:
        return
    times = "" if estimate.epochs is None else f" ({estimate.epochs:g} × the data)"
    steps = "" if estimate.steps is None else f", {counted(estimate.steps, 'step')}{times}"
    part = f"{parameters_text(estimate.trained_parameters)} of {parameters_text(estimate.parameters)}"
    if estimate.trained_parameters == estimate.parameters:
        part = f"all {parameters_text(estimate.parameters)}"
    console.print(f"Training {part} parameters{steps}", markup=False)
    console.print(
        f"Estimate for this machine ({estimate.machine}): {duration_text(estimate.seconds)}, "
        f"{size_text(estimate.memory_bytes)} of memory",
        markup=False,
    )
