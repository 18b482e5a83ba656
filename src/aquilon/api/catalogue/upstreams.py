"""``/v1/server/upstreams`` and ``/v1/server/fallbacks``: models on other servers, for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import ApiError, refused
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


class ProvidedModelFields(OwnFields):
    name: ModelName = Field(description="The model's name on this server.")
    remote: ModelName | None = Field(
        None, description="The model's or deployment's name at the upstream; `name` if null."
    )
    max_context: int = Field(8192, ge=1, le=2**31, description="The most tokens of prompt and answer together.")
    capabilities: list[Capability] = Field(["chat", "function_calling"], min_length=1, max_length=20)
    weight: int = Field(100, ge=0, le=MAX_WEIGHT, description="The upstream's share of the requests; 0 is a standby.")


class TimeoutFields(OwnFields):
    """Timeouts in seconds."""

    connect: Seconds = 5.0
    first_token: Seconds = 60.0
    between: Seconds = 30.0
    total: Seconds = 900.0


class NewUpstreamRequest(OwnFields):
    name: str = Field(min_length=1, max_length=100)
    kind: UpstreamKind = "openai"
    base_url: str = Field(
        min_length=1, max_length=1000, description="The API's address, such as `https://api.example.com/v1`."
    )
    api_key: str | None = Field(None, max_length=4000, description="The key is stored encrypted and never shown.")
    headers: dict[str, str] = Field(
        {}, max_length=50, description="Headers to send with every request; stored encrypted."
    )
    api_version: str | None = Field(
        None, max_length=50, description="The version of Azure's API, such as `2024-10-21`."
    )
    private: bool | None = Field(
        None, description="Whether the host may be in a private network; null allows it if the host is in one now."
    )
    timeouts: TimeoutFields = Field(default_factory=TimeoutFields)
    enabled: bool = True
    models: list[ProvidedModelFields] = Field([], max_length=MAX_MODELS)


class UpstreamRequest(OwnFields):
    """Fields that are left out stay unchanged; `models` and `headers` are replaced as a whole."""

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


class FallbacksRequest(OwnFields):
    models: list[ModelName] = Field(
        max_length=MAX_FALLBACKS, description="The models in order; an empty list removes the fallbacks."
    )


class ProvidedModelBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    remote: str
    max_context: int
    capabilities: list[str]
    weight: int
    state: str
    """The circuit: ``closed`` (in use), ``open`` (paused after failures), ``half-open``, ``resting``, or ``unused``."""


class TimeoutsBody(msgspec.Struct, frozen=True, kw_only=True):
    connect: float
    first_token: float
    between: float
    total: float


class UpstreamBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "upstream"
    id: str
    name: str
    kind: UpstreamKind
    base_url: str
    has_key: bool
    headers: list[str]
    """The names of the headers, without their values."""
    api_version: str | None
    private: bool
    timeouts: TimeoutsBody
    enabled: bool
    created_at: int
    models: list[ProvidedModelBody]
    problem: str
    """Why the upstream can't be used; empty if it can."""


class RemoteModelBody(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    max_context: int | None


class UpstreamCheck(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "upstream.check"
    ok: bool
    problem: str
    models: list[RemoteModelBody]
    """The models that the upstream lists."""
    milliseconds: int


class DeletedUpstream(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "upstream.deleted"
    id: str
    deleted: bool = True


class FallbacksBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "fallbacks"
    model: str
    models: list[str]


@routes.get("/upstreams", "List the upstreams", answer=ListOf[UpstreamBody], says="The upstreams, oldest first.")
async def list_upstreams(request: Request, caller: Caller) -> Response:
    rows = await upstreams.list_upstreams(services(request).database, _sealer(request), caller)
    return json_answer(ListOf(data=[_body(request, upstream) for upstream in rows]))


@routes.post(
    "/upstreams",
    "Add an upstream; its models can be used at once",
    request=NewUpstreamRequest,
    answer=UpstreamBody,
    says="The new upstream.",
)
async def add_upstream(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NewUpstreamRequest)
    with _errors_as_answers():
        new_upstream = Upstream(
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
        upstream = await upstreams.add(
            services(request).database, _sealer(request), caller, upstream=new_upstream, private=fields.private
        )
    await services(request).upstreams.refresh()
    return json_answer(_body(request, upstream))


@routes.get("/upstreams/{upstream_id}", "Get an upstream", answer=UpstreamBody, says="The upstream.")
async def get_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    upstream = await upstreams.get(services(request).database, _sealer(request), caller, id_or_name=upstream_id)
    return json_answer(_body(request, upstream))


@routes.post(
    "/upstreams/{upstream_id}",
    "Change an upstream",
    request=UpstreamRequest,
    answer=UpstreamBody,
    says="The changed upstream.",
)
async def change_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    fields = await read_body(request, UpstreamRequest)
    sent_names = fields.model_fields_set
    with _errors_as_answers():
        changes: dict[str, Any] = {
            name: getattr(fields, name)
            for name in ("name", "kind", "base_url", "api_key", "headers", "api_version", "enabled")
            if name in sent_names
        }
        if "timeouts" in sent_names:
            changes["timeouts"] = _timeouts(fields.timeouts)
        if "models" in sent_names:
            changes["models"] = _models(fields.models)
        upstream = await upstreams.change(
            services(request).database,
            _sealer(request),
            caller,
            id_or_name=upstream_id,
            changes=changes,
            private=fields.private,
        )
    await services(request).upstreams.refresh()
    return json_answer(_body(request, upstream))


@routes.delete(
    "/upstreams/{upstream_id}",
    "Remove an upstream and its models; running answers end normally",
    answer=DeletedUpstream,
    says="The id of the removed upstream.",
)
async def remove_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    upstream = await upstreams.remove(services(request).database, _sealer(request), caller, id_or_name=upstream_id)
    await services(request).upstreams.refresh()
    return json_answer(DeletedUpstream(id=upstream.id))


@routes.post(
    "/upstreams/{upstream_id}/check",
    "Check whether an upstream lists its models",
    answer=UpstreamCheck,
    says="The upstream's models, or the problem.",
)
async def check_upstream(request: Request, caller: Caller, upstream_id: str) -> Response:
    _, checked = await upstreams.check(services(request).database, _sealer(request), caller, id_or_name=upstream_id)
    return json_answer(
        UpstreamCheck(
            ok=not checked.problem,
            problem=checked.problem,
            models=[RemoteModelBody(name=model.name, max_context=model.max_context) for model in checked.models],
            milliseconds=checked.milliseconds,
        )
    )


@routes.get(
    "/fallbacks",
    "List the models that answer when a model's upstreams can't",
    answer=ListOf[FallbacksBody],
    says="The fallbacks of each model, by the model's name.",
)
async def list_fallbacks(request: Request, caller: Caller) -> Response:
    fallbacks = await upstreams.list_fallbacks(services(request).database, caller)
    return json_answer(
        ListOf(data=[FallbacksBody(model=model, models=list(models)) for model, models in fallbacks.items()])
    )


@routes.put(
    "/fallbacks/{model:path}",
    "Set the models that answer when a model's upstreams can't, in order",
    request=FallbacksRequest,
    answer=FallbacksBody,
    says="The model's fallbacks.",
)
async def set_fallbacks(request: Request, caller: Caller, model: str) -> Response:
    fields = await read_body(request, FallbacksRequest)
    with _errors_as_answers():
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
            name=model.name,
            remote=model.remote or model.name,
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
def _errors_as_answers() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise refused(error) from None
    except SealError as error:
        raise ApiError(503, "server_error", str(error), code="secrets_unusable") from None
