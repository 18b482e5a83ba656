"""``/v1/server/upstreams`` and ``/v1/server/fallbacks``: where models live elsewhere; the operator's alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import ApiError, invalid
from aquilon.storage.sealing import Sealer, SealError
from aquilon.upstreams import administration as upstreams
from aquilon.upstreams.upstream import (
    MAX_FALLBACKS,
    MAX_MODELS,
    MAX_WEIGHT,
    Capability,
    ProvidedModel,
    Timeouts,
    Upstream,
    UpstreamKind,
)

routes = Routes("/v1/server", tag="upstreams")

ModelName = Annotated[str, Field(min_length=1, max_length=256)]
Seconds = Annotated[float, Field(ge=0.05, le=86_400)]


class ProvidedModelFields(Fields):
    name: ModelName = Field(description="Here.")
    remote: ModelName | None = Field(None, description="There: a model's or a deployment's name; as `name` if null.")
    max_context: int = Field(8192, ge=1, le=2**31, description="Tokens that prompt and answer may have together.")
    capabilities: list[Capability] = Field(["chat", "function_calling"], min_length=1, max_length=20)
    weight: int = Field(100, ge=0, le=MAX_WEIGHT, description="Its share among upstreams; 0 stands by.")


class TimeoutFields(Fields):
    """Seconds."""

    connect: Seconds = 5.0
    first_token: Seconds = 60.0
    between: Seconds = 30.0
    total: Seconds = 900.0


class NewUpstreamRequest(Fields):
    name: str = Field(min_length=1, max_length=100)
    kind: UpstreamKind = "openai"
    base_url: str = Field(min_length=1, max_length=1000, description="Such as `https://api.example.com/v1`.")
    api_key: str | None = Field(None, max_length=4000, description="Sealed, and never shown again.")
    headers: dict[str, str] = Field({}, max_length=50, description="Sent with every request; sealed as the key is.")
    api_version: str | None = Field(None, max_length=50, description="Azure's, such as `2024-10-21`.")
    private: bool | None = Field(
        None, description="Whether the host may be in a private network; null finds out where it is now."
    )
    timeouts: TimeoutFields = Field(default_factory=TimeoutFields)
    enabled: bool = True
    models: list[ProvidedModelFields] = Field([], max_length=MAX_MODELS)


class UpstreamRequest(Fields):
    """What is left out stays as it is; `models` and `headers` are replaced whole."""

    name: str = Field("", max_length=100)
    kind: UpstreamKind = "openai"
    base_url: str = Field("", max_length=1000)
    api_key: str | None = Field(None, max_length=4000)
    headers: dict[str, str] = Field({}, max_length=50)
    api_version: str | None = Field(None, max_length=50)
    private: bool | None = None
    timeouts: TimeoutFields = Field(default_factory=TimeoutFields)
    enabled: bool = True
    models: list[ProvidedModelFields] = Field([], max_length=MAX_MODELS)


class FallbacksRequest(Fields):
    models: list[ModelName] = Field(max_length=MAX_FALLBACKS, description="In order; none removes them.")


class ProvidedModelBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    remote: str
    max_context: int
    capabilities: list[str]
    weight: int
    state: str
    """``closed`` (it is asked), ``open`` (it failed and has a pause), ``half-open``, ``resting``, or ``unused``."""


class TimeoutsBody(msgspec.Struct, frozen=True, kw_only=True):
    connect: float
    first_token: float
    between: float
    total: float


class UpstreamBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "upstream"
    id: str
    name: str
    kind: str
    base_url: str
    has_key: bool
    headers: list[str]
    """Names alone."""
    api_version: str | None
    private: bool
    timeouts: TimeoutsBody
    enabled: bool
    created_at: int
    models: list[ProvidedModelBody]
    problem: str
    """Why it can't be used; empty where it can."""


class RemoteModelBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    max_context: int | None


class UpstreamCheck(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "upstream.check"
    ok: bool
    problem: str
    models: list[RemoteModelBody]
    """That the upstream says it has."""
    milliseconds: int


class DeletedUpstream(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "upstream.deleted"
    id: str
    deleted: bool = True


class FallbacksBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "fallbacks"
    model: str
    models: list[str]


@routes.get("/upstreams", "Upstreams", answer=ListOf[UpstreamBody], says="The oldest first")
async def list_upstreams(request: Request, caller: Caller) -> Response:
    found = await upstreams.list_upstreams(services(request).database, _sealer(request), caller)
    return json_answer(ListOf(data=[_body(request, each) for each in found]))


@routes.post(
    "/upstreams",
    "Add an upstream; its models are there at once",
    request=NewUpstreamRequest,
    answer=UpstreamBody,
    says="The new upstream",
)
async def add_upstream(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewUpstreamRequest)
    with _in_words():
        given = Upstream(
            id="",
            name=fields.name,
            kind=fields.kind,
            base_url=fields.base_url,
            api_key=fields.api_key,
            headers=fields.headers,
            api_version=fields.api_version,
            timeouts=_timeouts(fields.timeouts),
            enabled=fields.enabled,
            models=_models(fields.models),
        )
        made = await upstreams.add(
            services(request).database, _sealer(request), caller, upstream=given, private=fields.private
        )
    await services(request).upstreams.refresh()
    return json_answer(_body(request, made))


@routes.get("/upstreams/{upstream_id}", "One upstream", answer=UpstreamBody, says="It")
async def get_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    found = await upstreams.get(services(request).database, _sealer(request), caller, id_or_name=upstream_id)
    return json_answer(_body(request, found))


@routes.post(
    "/upstreams/{upstream_id}", "Change an upstream", request=UpstreamRequest, answer=UpstreamBody, says="As it is now"
)
async def change_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    fields = await read_body(request, UpstreamRequest)
    said = fields.model_fields_set
    with _in_words():
        changes: dict[str, Any] = {
            name: getattr(fields, name)
            for name in ("name", "kind", "base_url", "api_key", "headers", "api_version", "enabled")
            if name in said
        }
        if "timeouts" in said:
            changes["timeouts"] = _timeouts(fields.timeouts)
        if "models" in said:
            changes["models"] = _models(fields.models)
        made = await upstreams.change(
            services(request).database,
            _sealer(request),
            caller,
            id_or_name=upstream_id,
            changes=changes,
            private=fields.private,
        )
    await services(request).upstreams.refresh()
    return json_answer(_body(request, made))


@routes.delete(
    "/upstreams/{upstream_id}",
    "Remove an upstream: its models are gone, answers that run end as they would have",
    answer=DeletedUpstream,
    says="It is gone",
)
async def remove_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    gone = await upstreams.remove(services(request).database, _sealer(request), caller, id_or_name=upstream_id)
    await services(request).upstreams.refresh()
    return json_answer(DeletedUpstream(id=gone.id))


@routes.post(
    "/upstreams/{upstream_id}/check",
    "Ask an upstream for its models, and say what is wrong",
    answer=UpstreamCheck,
    says="What it answered",
)
async def check_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    _, found = await upstreams.check(services(request).database, _sealer(request), caller, id_or_name=upstream_id)
    return json_answer(
        UpstreamCheck(
            ok=not found.problem,
            problem=found.problem,
            models=[RemoteModelBody(name=each.name, max_context=each.max_context) for each in found.models],
            milliseconds=found.milliseconds,
        )
    )


@routes.get(
    "/fallbacks",
    "The models that answer in a model's place when its upstreams can't",
    answer=ListOf[FallbacksBody],
    says="By model",
)
async def list_fallbacks(request: Request, caller: Caller) -> Response:
    found = await upstreams.list_fallbacks(services(request).database, caller)
    return json_answer(
        ListOf(data=[FallbacksBody(model=model, models=list(models)) for model, models in found.items()])
    )


@routes.put(
    "/fallbacks/{model:path}",
    "Say which models answer in a model's place, in order",
    request=FallbacksRequest,
    answer=FallbacksBody,
    says="As they are now",
)
async def set_fallbacks(request: Request, caller: Caller, model: str) -> Response:
    fields = await read_body(request, FallbacksRequest)
    with _in_words():
        await upstreams.set_fallbacks(services(request).database, caller, model=model, models=tuple(fields.models))
    await services(request).upstreams.refresh()
    return json_answer(FallbacksBody(model=model, models=fields.models))


def _sealer(request: Request) -> Sealer:
    return services(request).upstreams.sealer


def _timeouts(fields: TimeoutFields) -> Timeouts:
    return Timeouts(connect=fields.connect, first_token=fields.first_token, between=fields.between, total=fields.total)


def _models(fields: list[ProvidedModelFields]) -> tuple[ProvidedModel, ...]:
    return tuple(
        ProvidedModel(
            model.name,
            model.remote or model.name,
            max_context=model.max_context,
            capabilities=frozenset(model.capabilities),
            weight=model.weight,
        )
        for model in fields
    )


def _body(request: Request, upstream: Upstream) -> UpstreamBody:
    registry = services(request).upstreams
    states = {(name, model): state for name, model, state in registry.states()}
    timeouts = upstream.timeouts
    return UpstreamBody(
        id=upstream.id,
        name=upstream.name,
        kind=upstream.kind,
        base_url=upstream.base_url,
        has_key=upstream.api_key is not None,
        headers=sorted(upstream.headers),
        api_version=upstream.api_version,
        private=upstream.private,
        timeouts=TimeoutsBody(
            connect=timeouts.connect,
            first_token=timeouts.first_token,
            between=timeouts.between,
            total=timeouts.total,
        ),
        enabled=upstream.enabled,
        created_at=upstream.created_at,
        models=[
            ProvidedModelBody(
                name=model.name,
                remote=model.remote,
                max_context=model.max_context,
                capabilities=sorted(model.capabilities),
                weight=model.weight,
                state=states.get((upstream.name, model.name), "unused"),
            )
            for model in upstream.models
        ],
        problem=upstream.problem,
    )


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise invalid(str(error)) from None
    except SealError as error:
        raise ApiError(503, "server_error", str(error), code="secrets_unusable") from None
