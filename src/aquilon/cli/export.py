"""``aquilon export``: a trained or stored model as files for other programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import AsJson, Home, settings_from
from aquilon.starting_process import started_by_this_process
from aquilon.training.export_protocol import Format, Type

if TYPE_CHECKING:
    from aquilon.checkpoints.store import ModelStore
    from aquilon.training.export_protocol import Exported, Order


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL", help="A run's folder, a checkpoint, or a model in the store.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder.", show_default=False)],
    format_: Annotated[
        Format, typer.Option("--format", help="hf: config.json and safetensors. gguf: one file for llama.cpp.")
    ] = "hf",
    type_: Annotated[Type, typer.Option("--type", help="Of the weights; q8_0 and q4_0 are for gguf.")] = "bf16",
    license_: Annotated[
        str | None,
        typer.Option("--license", metavar="SPDX", help="Such as apache-2.0.", show_default="the source's own"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model is called.", show_default="DIR's name")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write a model for this server, transformers, vLLM, llama.cpp or Ollama.

    A run that isn't finished is exported from its last whole checkpoint. An
    adapter is merged into its base. Nothing is ever overwritten.

    \b
    Examples:
      aquilon export run --out my-model --license apache-2.0
      aquilon export run --format gguf --type q8_0 --out my-model-gguf
      aquilon export smollm2-135m --out smollm2-hf
    """
    from aquilon.checkpoints.store import ModelStore
    from aquilon.cli.output import print_structs
    from aquilon.training.export_protocol import Order

    if format_ == "hf" and type_ != "bf16":
        raise typer.BadParameter(f"{type_} is for --format gguf: hf has bf16", param_hint="--type")
    if out.exists():
        raise typer.BadParameter(f"{out} is there already: name a new folder", param_hint="--out")
    if license_ is not None and not (license_.isprintable() and 0 < len(license_) <= 100):
        raise typer.BadParameter("a licence is a short name such as apache-2.0", param_hint="--license")
    order = Order(
        source=str(source_path(model, ModelStore(settings_from(home=home).models_folder))),
        name=_name(name or out.resolve().name),
        format=format_,
        type=type_,
        out=str(out.resolve()),
        license=license_,
    )
    exported = _written(order)
    if as_json:
        print_structs(exported)
    else:
        _show(exported, out)


def source_path(text: str, store: ModelStore) -> Path:
    """A path, or a name in the store. Raises CommandError, and ModelNotFound for a name that isn't there."""
    from aquilon.cli.errors import CommandError

    path = Path(text).expanduser()
    if path.exists() and ("/" in text or text not in store):
        return path.resolve()
    if "/" in text or text.endswith(".gguf"):
        raise CommandError(f"{text} does not exist: name a run, a checkpoint, or a model in the store")
    return store.get(text).path


def _name(text: str) -> str:
    from aquilon.checkpoints.store import name_from

    return name_from(text)


def _written(order: Order) -> Exported:
    """Let a process with torch write it, and show how far it is. Raises CommandError with the process's reason."""
    import msgspec
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from aquilon.cli.errors import CommandError
    from aquilon.cli.output import err
    from aquilon.training.export_protocol import Exported, Failed, Message

    console = err()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    command = [sys.executable, "-P", "-m", "aquilon.training.export", msgspec.json.encode(order).decode()]
    decoder = msgspec.json.Decoder(Message)
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | started_by_this_process(),
        ) as process,
    ):
        bar = bars.add_task("Reading", total=1.0)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                message = decoder.decode(line)
                if isinstance(message, Exported):
                    return message
                if isinstance(message, Failed):
                    raise CommandError(message.reason)
                bars.update(bar, description=f"Writing {order.name}", completed=message.share)
        except KeyboardInterrupt:
            process.terminate()
            raise
        said = process.stderr.read().decode(errors="replace").strip()[-2000:]
    raise CommandError(f"The process that writes the model ended with status {process.wait()}: {said}")


def _show(exported: Exported, out: Path) -> None:
    from aquilon.checkpoints.arrival import size_text
    from aquilon.cli.output import err
    from aquilon.cli.output import out as console

    console().print(f"{out}  {size_text(exported.bytes)}  {', '.join(exported.files)}", markup=False)
    if exported.step is not None:
        err().print(f"The run isn't finished: these are the weights after step {exported.step:,}", markup=False)
    if not exported.license:
        err().print("Its licence isn't known: --license states it", markup=False)
    err().print(f"Next: aquilon pull {shlex.quote(str(out))}", markup=False)
