"""``aquilon upstreams``: servers elsewhere that provide models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.database import as_operator
from aquilon.cli.options import AsJson, Home, secret_from, settings_from
from aquilon.wording import counted

if TYPE_CHECKING:
    from aquilon.people.identity import Principal
    from aquilon.storage import Database
    from aquilon.storage.sealing import Sealer
    from aquilon.upstreams.check import Check
    from aquilon.upstreams.upstream import ProvidedModel, Upstream

upstreams = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Servers elsewhere that provide models: vLLM, Azure AI, Aquilon."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As listed.", show_default=False)]
Model = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="HERE[=THERE]", help="A model it provides, by its name here and there; repeat."),
]
Can = Annotated[
    list[str] | None,
    typer.Option(
        "--can",
        help="What these models can; repeats: chat, completions, fim, embeddings, function_calling, vision, reasoning, "
        "moderation.",
        show_default="chat and function_calling",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--context", min=1, help="The context of these models, in tokens.", show_default="as the upstream says, or 8192"
    ),
]
Weight = Annotated[
    int, typer.Option("--weight", min=0, max=1000, help="Their share among upstreams; 0: only if the others fail.")
]


@upstreams.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.", show_default=False)],
    base_url: Annotated[
        str, typer.Argument(metavar="URL", help="Such as https://api.example.com/v1", show_default=False)
    ],
    kind: Annotated[str, typer.Option("--kind", help="openai, azure, azure_ai, mistral or aquilon.")] = "openai",
    key_env: Annotated[
        str | None,
        typer.Option("--key-env", metavar="VARIABLE", help="The variable of the environment that holds the key."),
    ] = None,
    key_file: Annotated[
        typer.FileText | None, typer.Option("--key-file", help="Or a file with it; - reads it from standard input.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", metavar="NAME=VARIABLE", help="A header whose value is in that variable of the environment."
        ),
    ] = None,
    api_version: Annotated[str | None, typer.Option("--api-version", help="Azure's, such as 2024-10-21.")] = None,
    model: Model = None,
    can: Can = None,
    context: Context = None,
    weight: Weight = 100,
    connect: Annotated[float, typer.Option("--connect-seconds", help="Seconds to connect, at most.")] = 5.0,
    first_token: Annotated[
        float, typer.Option("--first-token-seconds", help="Seconds until the first token, at most.")
    ] = 60.0,
    between: Annotated[float, typer.Option("--between-seconds", help="Seconds between two tokens, at most.")] = 30.0,
    total: Annotated[float, typer.Option("--total-seconds", help="Seconds for a whole answer, at most.")] = 900.0,
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public", help="Whether its host may be in a private network.", show_default="as it is now"
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add an upstream; a running server offers its models within a second. Without --model: all that it lists.

    \b
    Examples:
      aquilon upstreams add vllm http://gpu-1:8000/v1 --can chat --can completions
      aquilon upstreams add azure https://NAME.openai.azure.com --kind azure --api-version 2024-10-21 \\
        --key-env AZURE_KEY --model gpt-4o=my-deployment --context 128000
    """
    import sys

    from aquilon.upstreams import administration
    from aquilon.upstreams.check import check as look_at
    from aquilon.upstreams.upstream import UPSTREAM_KINDS, Timeouts, Upstream

    if kind not in UPSTREAM_KINDS:
        raise typer.BadParameter(f"'{kind}' is none of {', '.join(UPSTREAM_KINDS)}", param_hint="--kind")
    key = secret_from(key_env, key_file, "--key-env")
    headers = {}
    for each in header or ():
        header_name, _, variable = each.partition("=")
        headers[header_name] = secret_from(variable, None, "--header") or ""

    async def work(database: Database, operator: Principal) -> Upstream:
        given = Upstream(
            id="",
            name=name,
            kind=kind,
            base_url=base_url,
            api_key=key,
            headers=headers,
            api_version=api_version,
            timeouts=Timeouts(connect=connect, first_token=first_token, between=between, total=total),
            models=_provided(model or [], can, context or 8192, weight),
        )
        made = await administration.add(database, _sealer(home), operator, upstream=given, private=private)
        if model and context is not None:
            return made
        found = await look_at(made)
        if found.problem and not model:
            print(f"aquilon: {found.problem}", file=sys.stderr)
        models = _completed(made, found, can, context, weight)
        return await administration.change(
            database, _sealer(home), operator, id_or_name=made.id, changes={"models": models}
        )

    made = as_operator(home, None, work)
    if as_json:
        _print_json(_told(made))
    elif made.models:
        print(f"{made.name} provides {', '.join(each.name for each in made.models)}")
    else:
        print(f"{made.name} is there, and provides no model yet: aquilon upstreams models {made.name} --model NAME")


@upstreams.command("list")
def list_upstreams(home: Home = None, as_json: AsJson = False) -> None:
    """List upstreams and the models they provide. Keys are never shown."""
    from aquilon.cli.output import err
    from aquilon.cli.tables import Table, print_table
    from aquilon.upstreams import administration

    async def read(database: Database, operator: Principal) -> list[Upstream]:
        return await administration.list_upstreams(database, _sealer(home), operator)

    nothing: list[Upstream] = []
    found = as_operator(home, None, read, before_first_start=nothing)
    if as_json:
        _print_json([_told(each) for each in found])
        return
    if not found:
        err().print("No upstreams: aquilon upstreams add NAME URL")
        return
    rows = [
        (
            each.name,
            each.kind,
            each.base_url,
            ", ".join(model.name for model in each.models),
            each.problem or ("" if each.enabled else "disabled"),
        )
        for each in found
    ]
    print_table(Table.of(("name", "kind", "address", "models", "state"), rows, spare=("kind", "models")))


@upstreams.command("check")
def check(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Ask an upstream for its models and say what is wrong. Ends with 1 if something is."""
    from aquilon.cli.errors import CommandError
    from aquilon.upstreams import administration

    async def work(database: Database, operator: Principal) -> tuple[Upstream, Check]:
        return await administration.check(database, _sealer(home), operator, id_or_name=name)

    upstream, found = as_operator(home, None, work)
    if as_json:
        models = [{"name": each.name, "max_context": each.max_context} for each in found.models]
        _print_json({"name": upstream.name, "problem": found.problem, "models": models, "ms": found.milliseconds})
        if found.problem:
            raise typer.Exit(1)
        return
    if found.problem:
        raise CommandError(found.problem)
    print(f"{upstream.name} answers in {found.milliseconds} ms")
    for each in found.models:
        print(f"  {each.name}" + (f", {counted(each.max_context, 'token')}" if each.max_context else ""))


@upstreams.command("models")
def models(
    name: Name,
    model: Model = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="A model it no longer provides; repeat.")] = None,
    can: Can = None,
    context: Context = None,
    weight: Annotated[
        int | None,
        typer.Option(
            "--weight",
            min=0,
            max=1000,
            help="Their share among upstreams; 0: only if the others fail.",
            show_default="as it is, or 100",
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the models of an upstream, add or change some, or drop some.

    \b
    Examples:
      aquilon upstreams models vllm
      aquilon upstreams models vllm --model llama=meta-llama/Llama-3.1-8B-Instruct --context 32768
      aquilon upstreams models vllm --model llama --weight 0
    """
    from dataclasses import replace

    from aquilon.cli.tables import Table, print_table
    from aquilon.upstreams import administration

    async def work(database: Database, operator: Principal) -> tuple[Upstream, dict[str, tuple[str, ...]]]:
        found = await administration.get(database, _sealer(home), operator, id_or_name=name)
        known = {each.name: each for each in found.models}
        for gone in drop or ():
            if known.pop(gone, None) is None:
                raise ValueError(f"The upstream '{found.name}' has no model '{gone}'")
        for each in _provided(model or [], can, context or 8192, 100 if weight is None else weight):
            before = known.get(each.name)
            if before is not None:
                each = replace(
                    each,
                    remote=each.remote if f"{each.name}={each.remote}" in (model or []) else before.remote,
                    max_context=before.max_context if context is None else each.max_context,
                    capabilities=before.capabilities if can is None else each.capabilities,
                    weight=before.weight if weight is None else weight,
                )
            known[each.name] = each
        if model or drop:
            changes = {"models": tuple(known.values())}
            found = await administration.change(database, _sealer(home), operator, id_or_name=found.id, changes=changes)
        return found, await administration.list_fallbacks(database, operator)

    found, chains = as_operator(home, None, work)
    if as_json:
        _print_json([_told_model(each) | {"fallbacks": list(chains.get(each.name, ()))} for each in found.models])
        return
    rows = [
        (
            each.name,
            each.remote,
            f"{each.max_context:,}",
            str(each.weight),
            ", ".join(sorted(each.capabilities)),
            ", ".join(chains.get(each.name, ())),
        )
        for each in found.models
    ]
    titles = ("model", "there", "context", "weight", "can", "falls back to")
    print_table(Table.of(titles, rows, right=("context", "weight"), spare=("weight", "falls back to", "can", "there")))


@upstreams.command("remove")
def remove(name: Name, home: Home = None) -> None:
    """Remove an upstream and its models; answers that run end as they would have."""
    from aquilon.upstreams import administration

    async def work(database: Database, operator: Principal) -> Upstream:
        return await administration.remove(database, _sealer(home), operator, id_or_name=name)

    print(f"Removed {as_operator(home, None, work).name}")


def _sealer(home: Path | None) -> Sealer:
    from aquilon.storage.sealing import Sealer

    return Sealer.of(settings_from(home=home))


def _provided(given: list[str], can: list[str] | None, context: int, weight: int) -> tuple[ProvidedModel, ...]:
    from aquilon.upstreams.upstream import ProvidedModel

    made = []
    for each in given:
        here, _, there = each.partition("=")
        capabilities: Any = frozenset(can or ("chat", "function_calling"))
        made.append(ProvidedModel(here, there or here, max_context=context, capabilities=capabilities, weight=weight))
    return tuple(made)


def _completed(
    upstream: Upstream, found: Check, can: list[str] | None, context: int | None, weight: int
) -> tuple[ProvidedModel, ...]:
    """The models with the contexts that the upstream tells; all that it lists where none were named."""
    from dataclasses import replace

    told = {each.name: each.max_context for each in found.models}
    models = upstream.models or _provided(list(told), can, 8192, weight)
    return tuple(replace(each, max_context=context or told.get(each.remote) or each.max_context) for each in models)


def _told(upstream: Upstream) -> dict[str, Any]:
    return {
        "id": upstream.id,
        "name": upstream.name,
        "kind": upstream.kind,
        "base_url": upstream.base_url,
        "has_key": upstream.api_key is not None,
        "private": upstream.private,
        "enabled": upstream.enabled,
        "problem": upstream.problem,
        "models": [_told_model(each) for each in upstream.models],
    }


def _told_model(model: ProvidedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "remote": model.remote,
        "max_context": model.max_context,
        "weight": model.weight,
        "capabilities": sorted(model.capabilities),
    }


def _print_json(value: Any) -> None:
    from aquilon.cli.output import print_json

    print_json(value)
