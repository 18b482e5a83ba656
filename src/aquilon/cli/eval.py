"""``aquilon eval``: measures models, and compares them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import Home, settings_from

if TYPE_CHECKING:
    from aquilon.checkpoints.store import ModelStore
    from aquilon.evaluation.protocol import Candidate
    from aquilon.evaluation.results import Evaluation
    from aquilon.evaluation.task_files import TaskFinder
    from aquilon.evaluation.tasks import Task, TextFile, TextTask


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL|RUN", help="Names in the store, checkpoints, or folders of runs.", show_default=False
        ),
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            metavar="NAME|FILE",
            help="bpb (bits per byte), gsm8k, mgsm-fr, humaneval, … or a task's file; repeat it.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="[LANGUAGE=]FILE", help="Text for bpb: a file or folder; repeat it.", show_default=False
        ),
    ] = None,
    benchmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where the questions of known tasks are.", show_default="the home's folder benchmarks"
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Measure models behind this API too, such as http://host/v1.", show_default=False
        ),
    ] = None,
    remote: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="A model's name at --url; repeat it.", show_default=False),
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(metavar="VARIABLE", help="The environment variable with the key for --url.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="At most N questions from all over a file, or its first N documents.",
            show_default="all of them",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Answer each question so often.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 takes the likeliest token.")] = 0.0,
    top_p: Annotated[
        float, typer.Option(min=0.0, max=1, help="Draw from the likeliest tokens that together have this probability.")
    ] = 1.0,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of an answer.", show_default="as the task says")
    ] = None,
    prompts: Annotated[
        str,
        typer.Option(metavar="auto|chat|text", help="Ask in a chat or in plain text; auto: a chat where one can."),
    ] = "auto",
    parallel: Annotated[int, typer.Option(min=1, max=256, help="Questions that are answered at the same time.")] = 8,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="bpb: tokens of a window.", show_default="the model's context, at most 2048"),
    ] = None,
    overlap: Annotated[float, typer.Option(min=0, max=0.99, help="bpb: share of a window that is only context.")] = 0.5,
    size: Annotated[
        str | None,
        typer.Option(
            "--bytes", metavar="SIZE", help="bpb: at most so much of each file, such as 2MB.", show_default="all of it"
        ),
    ] = None,
    scorecard: Annotated[
        bool,
        typer.Option(
            "--scorecard",
            help="Measure what is here in five languages, 100 questions and 200 kB of each, and keep the figures with "
            "the model: /v1/models and the chat page show them.",
        ),
    ] = False,
    precision: Annotated[
        str,
        typer.Option(metavar="auto|float32|bfloat16", help="What is computed in; auto: float32 on a CPU."),
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write each result as a file, as a run's folder gets it.", show_default=False),
    ] = None,
    home: Home = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each result and each comparison.")
    ] = False,
) -> None:
    """Measure models, and compare them on the same texts and questions.

    Each figure has an interval of 95 %. Of two models on the same task, it says how many
    questions decide the difference. A run's results are kept in RUN/evaluations.

    \b
    Examples:
      aquilon eval smollm2-135m --task bpb --data fr=livre.txt --data en=book.txt
      aquilon eval runs/first runs/second --task bpb --data held-out.jsonl.xz --bytes 2MB
      aquilon eval smollm2-135m --task mgsm-fr --seeds 4 --temperature 0.7
      aquilon eval smollm2-135m --scorecard --data fr=livre.txt --data it=libro.txt
      aquilon eval --url https://api.mistral.ai/v1 --key-env MISTRAL_API_KEY --model mistral-small-latest --task gsm8k
    """
    import msgspec

    from aquilon.checkpoints.store import ModelStore
    from aquilon.cli.evaluations import keep, keep_scorecards, measure, renew_cards, show
    from aquilon.evaluation.protocol import Order, Sampling
    from aquilon.evaluation.scorecard import QUESTIONS, TEXT_BYTES
    from aquilon.evaluation.task_files import TaskFinder

    settings = settings_from(home=home)
    store = ModelStore(settings.models_folder)
    candidates = [_local(model, store) for model in models or []] + _remote(url, remote, key_env)
    if not candidates:
        raise typer.BadParameter("name at least one model or run, or --url with --model", param_hint="MODEL")
    if not tasks and not scorecard:
        raise typer.BadParameter("name at least one task, such as --task bpb", param_hint="--task")
    if seeds > 1 and temperature == 0:
        raise typer.BadParameter("several seeds need a --temperature above 0", param_hint="--seeds")
    if scorecard:
        limit, size = limit or QUESTIONS, size or str(TEXT_BYTES)
    text_task = _text_task(data or [], window=window, overlap=overlap, size=size)
    finder = TaskFinder(benchmarks or settings.home / "benchmarks")
    chosen = [_task(name, text_task, finder) for name in tasks or []]
    if scorecard and not chosen:
        chosen = _of_scorecard(text_task, finder)
    fields = {
        "candidates": candidates,
        "tasks": chosen,
        "sampling": Sampling(
            temperature=temperature,
            top_p=top_p,
            seeds=tuple(range(seeds)),
            max_tokens=max_tokens,
            parallel=parallel,
        ),
        "prompts": prompts,
        "limit": limit,
        "precision": precision,
    }
    try:
        order = msgspec.convert(fields, type=Order, from_attributes=True)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from None
    evaluations: list[Evaluation] = []
    try:
        for evaluation in measure(order):
            keep(order, evaluation, out)
            evaluations.append(evaluation)
    finally:  # what was measured before a failure is worth its time
        show(evaluations, as_json=as_json)
    if scorecard:
        keep_scorecards(order, evaluations, store)
    renew_cards(order)


def _local(text: str, store: ModelStore) -> Candidate:
    from aquilon.cli.errors import CommandError
    from aquilon.evaluation.protocol import LocalCandidate

    path = Path(text).expanduser()
    if path.exists() and ("/" in text or text not in store):
        return LocalCandidate(name=text.rstrip("/"), path=str(path.resolve()))
    if "/" in text or text.endswith(".gguf"):
        raise CommandError(f"{text} does not exist: name a checkpoint, the folder of a run, or a model in the store")
    return LocalCandidate(name=text, path=str(store.get(text).path.resolve()))


def _remote(url: str | None, names: list[str] | None, key_env: str | None) -> list[Candidate]:
    from aquilon.evaluation.protocol import RemoteCandidate

    if url is None:
        if names or key_env:
            raise typer.BadParameter("--model and --key-env need --url, the address", param_hint="--url")
        return []
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url} must begin with http:// or https://", param_hint="--url")
    if not names:
        raise typer.BadParameter("name a model at this address with --model", param_hint="--model")
    if key_env is not None and not os.environ.get(key_env):
        raise typer.BadParameter(f"the environment variable {key_env} is not set", param_hint="--key-env")
    return [RemoteCandidate(name=name, url=url, key_env=key_env) for name in names]


def _task(name: str, text_task: TextTask | None, finder: TaskFinder) -> Task:
    from aquilon.evaluation.task_files import TEXT_TASK

    if name != TEXT_TASK:
        return finder.find(name)
    if text_task is None:
        raise typer.BadParameter("bpb needs text: --data FILE", param_hint="--data")
    return text_task


def _of_scorecard(text_task: TextTask | None, finder: TaskFinder) -> list[Task]:
    """The text, and each task that is here in one of the five languages; English GSM8K has MGSM's questions too."""
    from aquilon.evaluation.languages import LANGUAGES

    found = [task for task in finder.present() if task.language in LANGUAGES and task.name != "gsm8k"]
    tasks: list[Task] = [*([] if text_task is None else [text_task]), *found]
    if not tasks:
        raise typer.BadParameter(
            f"there is nothing to measure: give text with --data, or put questions into {finder.folder}",
            param_hint="--scorecard",
        )
    return tasks


def _text_task(data: list[str], *, window: int | None, overlap: float, size: str | None) -> TextTask | None:
    from aquilon.evaluation.tasks import TextTask
    from aquilon.settings import parse_size

    try:
        num_bytes = None if size is None else parse_size(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--bytes") from None
    if not data:
        return None
    return TextTask(files=[_text_file(text) for text in data], window=window, overlap=overlap, bytes=num_bytes)


def _text_file(text: str) -> TextFile:
    from aquilon.evaluation.languages import is_code, language_of
    from aquilon.evaluation.tasks import TextFile

    language, is_said, path = text.partition("=")
    if is_said and is_code(language):
        return TextFile(path=str(Path(path).expanduser().resolve()), language=language)
    return TextFile(path=str(Path(text).expanduser().resolve()), language=language_of(Path(text)))
