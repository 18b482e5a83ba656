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
        help="What these models can; repeats: chat, completions, fim, embeddings, rerank, function_calling, vision, "
        "reasoning, moderation.",
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
    kind: Annotated[
        str, typer.Option("--kind", help="openai, azure, azure_ai, mistral, aquilon or anthropic.")
    ] = "openai",
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
    from aquilon.upstreams.check import check as check_upstream
    from aquilon.upstreams.upstream import UPSTREAM_KINDS, Timeouts, Upstream

    if kind not in UPSTREAM_KINDS:
        raise typer.BadParameter(f"'{kind}' is none of {', '.join(UPSTREAM_KINDS)}", param_hint="--kind")
    key = secret_from(key_env, key_file, "--key-env")
    headers = {}
    for option in header or ():
        header_name, _, variable = option.partition("=")
        headers[header_name] = secret_from(variable, None, "--header") or ""

    async def work(database: Database, operator: Principal) -> Upstream:
        upstream = Upstream(
            id="",
            name=name,
            kind=kind,
            base_url=base_url,
            api_key=key,
            headers=headers,
            api_version=api_version,
            timeouts=Timeouts(connect=connect, first_token=first_token, between=between, total=total),
            models=_provided(model or [], can=can, context=context or 8192, weight=weight),
        )
        upstream = await administration.add(database, _sealer(home), operator, upstream=upstream, private=private)
        if model and context is not None:
            return upstream
        answer = await check_upstream(upstream)
        if answer.problem and not model:
            print(f"aquilon: {answer.problem}", file=sys.stderr)
        models = _completed(upstream, answer, can=can, context=context, weight=weight)
        return await administration.change(
            database, _sealer(home), operator, id_or_name=upstream.id, changes={"models": models}
        )

    added = as_operator(home, None, work)
    if as_json:
        _print_json(_upstream_json(added))
    elif added.models:
        print(f"{added.name} provides {', '.join(provided.name for provided in added.models)}")
    else:
        print(f"{added.name} is added and provides no model yet: aquilon upstreams models {added.name} --model NAME")


@upstreams.command("list")
def list_upstreams(home: Home = None, as_json: AsJson = False) -> None:
    """List upstreams and the models they provide. Keys are never shown."""
    from aquilon.cli.output import err
    from aquilon.cli.tables import Table, print_table
    from aquilon.upstreams import administration

    async def read(database: Database, operator: Principal) -> list[Upstream]:
        return await administration.list_upstreams(database, _sealer(home), operator)

    no_upstreams: list[Upstream] = []
    listed = as_operator(home, None, read, before_first_start=no_upstreams)
    if as_json:
        _print_json([_upstream_json(upstream) for upstream in listed])
        return
    if not listed:
        err().print("No upstreams: aquilon upstreams add NAME URL")
        return
    rows = [
        (
            upstream.name,
            upstream.kind,
            upstream.base_url,
            ", ".join(model.name for model in upstream.models),
            upstream.problem or ("" if upstream.enabled else "disabled"),
        )
        for upstream in listed
    ]
    print_table(Table.of(("name", "kind", "address", "models", "state"), rows, spare=("kind", "models")))


@upstreams.command("check")
def check(name: Name, home: Home = None, as_json: AsJson = False) -> None:
    """Ask an upstream for its models and say what is wrong. Ends with 1 if something is."""
    from aquilon.cli.errors import CommandError
    from aquilon.upstreams import administration

    async def work(database: Database, operator: Principal) -> tuple[Upstream, Check]:
        return await administration.check(database, _sealer(home), operator, id_or_name=name)

    upstream, answer = as_operator(home, None, work)
    if as_json:
        models = [{"name": model.name, "max_context": model.max_context} for model in answer.models]
        _print_json({"name": upstream.name, "problem": answer.problem, "models": models, "ms": answer.milliseconds})
        if answer.problem:
            raise typer.Exit(1)
        return
    if answer.problem:
        raise CommandError(answer.problem)
    print(f"{upstream.name} answers in {answer.milliseconds} ms")
    for model in answer.models:
        print(f"  {model.name}" + (f", {counted(model.max_context, 'token')}" if model.max_context else ""))


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
        upstream = await administration.get(database, _sealer(home), operator, id_or_name=name)
        models = {provided.name: provided for provided in upstream.models}
        for dropped in drop or ():
            if models.pop(dropped, None) is None:
                raise ValueError(f"The upstream '{upstream.name}' has no model '{dropped}'")
        new_weight = 100 if weight is None else weight
        for provided in _provided(model or [], can=can, context=context or 8192, weight=new_weight):
            before = models.get(provided.name)
            if before is not None:
                names_remote = f"{provided.name}={provided.remote}" in (model or [])
                provided = replace(
                    provided,
                    remote=provided.remote if names_remote else before.remote,
                    max_context=before.max_context if context is None else provided.max_context,
                    capabilities=before.capabilities if can is None else provided.capabilities,
                    weight=before.weight if weight is None else weight,
                )
            models[provided.name] = provided
        if model or drop:
            changes = {"models": tuple(models.values())}
            upstream = await administration.change(
                database, _sealer(home), operator, id_or_name=upstream.id, changes=changes
            )
        return upstream, await administration.list_fallbacks(database, operator)

    upstream, chains = as_operator(home, None, work)
    if as_json:
        _print_json(
            [_model_json(provided) | {"fallbacks": list(chains.get(provided.name, ()))} for provided in upstream.models]
        )
        return
    rows = [
        (
            provided.name,
            provided.remote,
            f"{provided.max_context:,}",
            str(provided.weight),
            ", ".join(sorted(provided.capabilities)),
            ", ".join(chains.get(provided.name, ())),
        )
        for provided in upstream.models
    ]
    titles = ("model", "there", "context", "weight", "can", "falls back to")
    print_table(Table.of(titles, rows, right=("context", "weight"), spare=("weight", "falls back to", "can", "there")))


@upstreams.command("remove")
def remove(name: Name, home: Home = None) -> None:
    """Remove an upstream and its models; running answers still end normally."""
    from aquilon.upstreams import administration

    async def work(database: Database, operator: Principal) -> Upstream:
        return await administration.remove(database, _sealer(home), operator, id_or_name=name)

    print(f"Removed {as_operator(home, None, work).name}")


def _sealer(home: Path | None) -> Sealer:
    from aquilon.storage.sealing import Sealer

    return Sealer.of(settings_from(home=home))


def _provided(options: list[str], *, can: list[str] | None, context: int, weight: int) -> tuple[ProvidedModel, ...]:
    """The models that ``--model`` options name, as ``HERE`` or ``HERE=THERE``."""
    from aquilon.upstreams.upstream import ProvidedModel

    models = []
    for option in options:
        here, _, there = option.partition("=")
        capabilities: Any = frozenset(can or ("chat", "function_calling"))
        models.append(
            ProvidedModel(
                name=here, remote=there or here, max_context=context, capabilities=capabilities, weight=weight
            )
        )
    return tuple(models)


def _completed(
    upstream: Upstream, answer: Check, *, can: list[str] | None, context: int | None, weight: int
) -> tuple[ProvidedModel, ...]:
    """The models with the contexts that the upstream reports; all that it lists if none were named."""
    from dataclasses import replace

    contexts = {model.name: model.max_context for model in answer.models}
    models = upstream.models or _provided(list(contexts), can=can, context=8192, weight=weight)
    return tuple(
        replace(model, max_context=context or contexts.get(model.remote) or model.max_context) for model in models
    )


def _upstream_json(upstream: Upstream) -> dict[str, Any]:
    return {
        "id": upstream.id,
        "name": upstream.name,
        "kind": upstream.kind,
        "base_url": upstream.base_url,
        "has_key": upstream.api_key is not None,
        "private": upstream.private,
        "enabled": upstream.enabled,
        "problem": upstream.problem,
        "models": [_model_json(model) for model in upstream.models],
    }


def _model_json(model: ProvidedModel) -> dict[str, Any]:
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
