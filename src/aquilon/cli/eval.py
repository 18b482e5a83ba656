"""``aquilon eval``: measures models, and compares them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import Home, settings_from

if TYPE_CHECKING:
    from aquilon.checkpoints.store import ModelStore
    from aquilon.evaluation.protocol import Candidate
    from aquilon.evaluation.tasks import Task, TextFile


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|RUN]…", help="Names in the store, checkpoints, or folders of runs.", show_default=False
        ),
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("--task", metavar="NAME", help="bpb: bits per byte.", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="[LANGUAGE=]FILE", help="Text for bpb: a file or folder; repeat it.", show_default=False
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=2, help="bpb: tokens of a window.", show_default="the model's context, at most 2048"),
    ] = None,
    overlap: Annotated[float, typer.Option(min=0, max=0.99, help="bpb: share of a window that is only context.")] = 0.5,
    size: Annotated[
        str | None, typer.Option("--bytes", metavar="SIZE", help="bpb: at most so much of each file, such as 2MB.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most N questions, or documents of a file.")
    ] = None,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each result.")] = False,
) -> None:
    """Measure models and compare them.

    \b
    Examples:
      aquilon eval smollm2-135m --task bpb --data fr=livre.txt --data en=book.txt
      aquilon eval runs/first runs/second --task bpb --data held-out.jsonl.xz --bytes 2MB
    """
    from aquilon.checkpoints.store import ModelStore
    from aquilon.cli.evaluations import measure, show
    from aquilon.evaluation.protocol import Order
    from aquilon.settings import parse_size

    if not models:
        raise typer.BadParameter("name at least one model or run", param_hint="MODEL")
    if not tasks:
        raise typer.BadParameter("name at least one task, such as --task bpb", param_hint="--task")
    store = ModelStore(settings_from(home=home).models_folder)
    try:
        num_bytes = None if size is None else parse_size(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--bytes") from None
    order = Order(
        candidates=[_candidate(model, store) for model in models],
        tasks=[_task(name, data or [], window=window, overlap=overlap, num_bytes=num_bytes) for name in tasks],
        limit=limit,
    )
    show(measure(order), as_json=as_json)


def _candidate(text: str, store: ModelStore) -> Candidate:
    from aquilon.cli.errors import CommandError
    from aquilon.evaluation.protocol import LocalCandidate

    path = Path(text).expanduser()
    if path.exists() and ("/" in text or text not in store):
        return LocalCandidate(name=text.rstrip("/"), path=str(path.resolve()))
    if "/" in text or text.endswith(".gguf"):
        raise CommandError(f"{text} does not exist: name a checkpoint, the folder of a run, or a model in the store")
    return LocalCandidate(name=text, path=str(store.get(text).path))


def _task(name: str, data: list[str], *, window: int | None, overlap: float, num_bytes: int | None) -> Task:
    from aquilon.evaluation.tasks import TextTask

    if name != "bpb":
        raise typer.BadParameter(f"{name!r} is unknown", param_hint="--task")
    if not data:
        raise typer.BadParameter("bpb needs text: --data FILE", param_hint="--data")
    return TextTask(files=[_text_file(text) for text in data], window=window, overlap=overlap, bytes=num_bytes)


def _text_file(text: str) -> TextFile:
    from aquilon.evaluation.languages import is_code, language_of
    from aquilon.evaluation.tasks import TextFile

    language, is_said, path = text.partition("=")
    if is_said and is_code(language):
        return TextFile(path=str(Path(path).expanduser().resolve()), language=language)
    return TextFile(path=str(Path(text).expanduser().resolve()), language=language_of(Path(text)))
