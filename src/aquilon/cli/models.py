"""``aquilon models``: the models in the store, and suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.options import AsJson, Home, model_store
from aquilon.wording import counted, parameters_text

if TYPE_CHECKING:
    from aquilon.catalogue.model_notes import ModelNote
    from aquilon.checkpoints.store import StoredModel
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, check and remove models; suggest some for this machine."
)

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


@app.command("list")
def list_models(home: Home = None, as_json: AsJson = False) -> None:
    """List the models in the store."""
    from aquilon.checkpoints.arrival import size_text
    from aquilon.cli.output import err, print_json
    from aquilon.cli.tables import Table, print_table

    store = model_store(home)
    models = store.list()
    if as_json:
        print_json([describe(model) for model in models])
        return
    for name in store.unreadable():
        err().print(f"'{name}' is left out: its manifest can't be read; pull it again")
    if not models:
        err().print("No models yet. `aquilon up` pulls the default one; `aquilon models suggest` names better ones")
        return
    rows = [
        (
            model.name,
            parameters_text(model.parameters),
            size_text(model.bytes),
            f"{model.max_context:,}",
            ", ".join(model.languages[:6]) + (" …" if len(model.languages) > 6 else ""),
            model.license,
        )
        for model in models
    ]
    titles = ("name", "parameters", "size", "context", "languages", "licence")
    numbers = ("parameters", "size", "context")
    print_table(Table.of(titles, rows, right=numbers, spare=("licence", "parameters", "languages")))


@app.command("show")
def show_model(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Show a model's facts and files."""
    from aquilon.checkpoints.arrival import size_text
    from aquilon.cli.output import print_json
    from aquilon.cli.tables import print_facts

    model = model_store(home).get(name)
    if as_json:
        print_json(describe(model))
        return
    facts = {
        "name": model.name,
        "description": model.description,
        "source": model.source + (f" at {model.revision}" if model.revision else ""),
        "pulled": model.pulled_at,
        "licence": " ".join(filter(None, (model.license, model.license_url))),
        "languages": ", ".join(model.languages),
        "base": model.base,
        "family": f"{model.family} ({model.format})",
        "parameters": parameters_text(model.parameters),
        "context": counted(model.max_context, "token"),
        "chat": "yes" if model.chat else "no chat template: completions only",
        "folder": str(model.path),
    }
    files = [("file", f"{file.path}  {size_text(file.size)}  sha256 {file.sha256}") for file in model.files]
    print_facts([*((title, fact) for title, fact in facts.items() if fact), *files])


@app.command("remove")
def remove_model(name: Name, home: Home = None) -> None:
    """Remove a model, or what an unfinished pull left of it; refused while a running server has it loaded."""
    from aquilon.checkpoints.arrival import size_text
    from aquilon.cli.output import out

    out().print(f"Removed {name}: {size_text(model_store(home).remove(name))} freed")


@app.command("verify")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", show_default=False)] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Read models' files again and compare them with the sums of their pull; all models if none is named."""
    from aquilon.checkpoints.store import ModelDamaged
    from aquilon.cli.output import err, out, print_json
    from aquilon.cli.progress import pull_progress

    store = model_store(home)
    damaged: dict[str, str] = {}
    selected = names or [*(model.name for model in store.list()), *store.unreadable()]
    with pull_progress() as progress:
        for name in selected:
            done = 0
            try:
                total = store.get(name).bytes

                def advance(size: int, name: str = name, total: int = total) -> None:
                    nonlocal done
                    done += size
                    progress("check", done=done, total=total, file=name)

                store.verify(name, advance)
            except ModelDamaged as error:
                damaged[name] = str(error)
    if as_json:
        print_json([{"name": name, "whole": name not in damaged, "problem": damaged.get(name)} for name in selected])
    else:
        for name in selected:
            if name in damaged:
                err().print(damaged[name], markup=False)
            else:
                out().print(f"{name} is whole")
    if damaged:
        raise typer.Exit(1)


@app.command("suggest")
def suggest_models(
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="For a machine with this much.", show_default="this machine's")
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="Only models for this language, say fr.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Suggest open models that this machine can serve, European ones first, with the command that pulls each."""
    import msgspec

    from aquilon.checkpoints.arrival import size_text
    from aquilon.checkpoints.suggest import CONTEXT, machine_memory, suggest
    from aquilon.cli.output import err, out, print_json
    from aquilon.settings import parse_size

    try:
        available = parse_size(memory) if memory else machine_memory()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--memory") from None
    suggestions = suggest(available, language)
    pulled = {model.source for model in model_store(home, create=True).list()}
    if as_json:
        print_json(
            [
                {
                    **msgspec.structs.asdict(suggestion),
                    "memory_bytes": suggestion.memory_bytes,
                    "command": suggestion.command,
                    "pulled": suggestion.source in pulled,
                }
                for suggestion in suggestions
            ]
        )
        return
    if not suggestions:
        err().print(
            f"No model in the list fits {size_text(available)}" + (f" and speaks {language}" if language else "")
        )
        return
    out().print(
        f"Models for {size_text(available)} of memory, with room for {CONTEXT:,} tokens of context.\n"
        "The larger the model, the better its answers; without a GPU, the smaller it is, the sooner they come.\n"
    )
    for suggestion in suggestions:
        mark = " [green](already pulled)[/]" if suggestion.source in pulled else ""
        facts = [
            f"{parameters_text(suggestion.parameters)} parameters",
            f"{size_text(suggestion.download_bytes)} to download",
            f"about {size_text(suggestion.memory_bytes)} in memory",
            suggestion.license,
            f"{suggestion.maker}, {suggestion.country}",
        ]
        out().print(f"[bold]{suggestion.title}[/]{mark}\n  {suggestion.good_for}")
        out().print(f"  [dim]{' · '.join(facts)}[/]\n  [dim]{' '.join(suggestion.languages)}[/]")
        out().print(f"  [cyan]{suggestion.command}[/]\n")


@app.command("set")
def set_model(
    name: Name,
    access: Annotated[
        str | None, typer.Option("--access", help="open: its files can be downloaded; commercial: API only.")
    ] = None,
    description: Annotated[str | None, typer.Option("--description", help="One paragraph.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="In place of what its files say.")] = None,
    languages: Annotated[
        str | None, typer.Option("--languages", metavar="CODES", help="What it is good at, such as 'fr de it'.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=2, help="Used where a chat names none.")
    ] = None,
    retires: Annotated[
        str | None, typer.Option("--retires", metavar="TIME", help="When it stops answering; 'never' takes it back.")
    ] = None,
    replacement: Annotated[
        str | None, typer.Option("--replacement", metavar="MODEL", help="What to use in its place.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Describe a model of this server or of an upstream; an empty text takes a description back.

    \b
    Examples:
      aquilon models set smollm2-135m --access open --temperature 0.2
      aquilon models set smollm2-135m --retires 2027-06-30 --replacement mistral-small-4
    """
    import re

    import msgspec

    from aquilon.catalogue.administration import model_notes
    from aquilon.catalogue.model_notes import ACCESSES, LANGUAGE_CODE
    from aquilon.cli.aliases import catalogue_of, moment
    from aquilon.cli.database import as_operator
    from aquilon.cli.output import print_json

    if access is not None and access not in ("", *ACCESSES):
        raise typer.BadParameter(f"'{access}' is none of {', '.join(ACCESSES)}", param_hint="--access")
    if languages is not None and not all(re.match(LANGUAGE_CODE, code) for code in languages.split()):
        raise typer.BadParameter(f"'{languages}' should be codes such as 'fr de'", param_hint="--languages")
    texts = {"access": access, "description": description, "license": licence, "replacement": replacement}
    changes: dict[str, Any] = {key: value or None for key, value in texts.items() if value is not None}
    if languages is not None:
        changes["languages"] = tuple(dict.fromkeys(languages.split())) or None
    if temperature is not None:
        changes["default_temperature"] = temperature
    if retires is not None:
        changes["retires_at"] = None if retires in ("", "never") else moment(retires, "--retires")

    async def change(database: Database, operator: Principal) -> ModelNote:
        catalogue = await catalogue_of(database, home)
        return await model_notes.change(database, operator, catalogue, model=name, changes=changes)

    note = as_operator(home, None, change)
    if as_json:
        print_json(msgspec.to_builtins(note))
    else:
        print(f"Changed {name}: {', '.join(changes) or 'nothing'}")


@app.command("fallbacks")
def fallbacks(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", show_default=False)] = None,
    others: Annotated[list[str] | None, typer.Argument(metavar="FALLBACK…", show_default=False)] = None,
    none: Annotated[bool, typer.Option("--none", help="Remove its fall-backs.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set which models answer, in this order, when MODEL can't. Without arguments: list all fall-backs.

    \b
    Examples:
      aquilon models fallbacks ministral smollm2-135m
      aquilon models fallbacks smollm2-135m gpt-4o-mini ministral
    """
    from aquilon.cli.database import as_operator
    from aquilon.cli.output import err, print_json
    from aquilon.cli.tables import Table, print_table
    from aquilon.upstreams import administration as upstreams

    if bool(others) is none and model is not None:
        raise typer.BadParameter("name its fall-backs, or --none", param_hint="FALLBACK")
    if none and model is None:
        raise typer.BadParameter("say of which MODEL", param_hint="--none")

    async def work(database: Database, operator: Principal) -> dict[str, tuple[str, ...]]:
        if model is not None:
            await upstreams.set_fallbacks(database, operator, model=model, models=tuple(others or ()))
        return await upstreams.list_fallbacks(database, operator)

    no_fallbacks: dict[str, tuple[str, ...]] | None = {} if model is None else None
    chains = as_operator(home, None, work, before_first_start=no_fallbacks)
    if as_json:
        print_json({name: list(chain) for name, chain in chains.items()})
        return
    if not chains:
        err().print("No model has fall-backs")
        return
    print_table(Table.of(("model", "falls back to"), [(name, ", ".join(chain)) for name, chain in chains.items()]))


def describe(model: StoredModel) -> dict[str, Any]:
    """A model as JSON: its manifest, with the folder and the bytes."""
    import msgspec

    fields = msgspec.to_builtins(msgspec.structs.replace(model, path=str(model.path)))
    assert isinstance(fields, dict)
    return {**fields, "bytes": model.bytes}
