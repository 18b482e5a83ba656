"""``GET /v1/models`` and one of them, as OpenAI's and Mistral's clients read a model's card."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from aquilon.engine.client import Engine
from aquilon.platform.api.schemas import answers
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.catalogue import ModelCard
from aquilon.platform.services import services

router = APIRouter(tags=["models"])


class Capabilities(msgspec.Struct, frozen=True):
    completion_chat: bool
    completion_fim: bool = False
    function_calling: bool = False
    fine_tuning: bool = False
    vision: bool = False
    reasoning: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Contexts are tokens, sizes bytes, times unix seconds."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "aquilon"
    name: str
    description: str
    capabilities: Capabilities
    max_context_length: int
    aliases: list[str]
    deprecation: str | None = None
    default_model_temperature: float | None = None
    type: str = "base"
    parameters: int
    languages: list[str]
    """ISO 639 codes, the best-known first; empty where the model's makers don't say."""
    license: str
    source: str
    size_bytes: int
    loaded: bool


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[Model]


@router.get(
    "/v1/models",
    summary="The models here, the default first",
    responses=answers(ModelList, description="Every model, the default chat model first"),
)
async def list_models(request: Request, caller: Caller) -> Response:
    found = services(request)
    models = [_model(card, found.engine, found.catalogue.default_temperature(card)) for card in found.catalogue.cards()]
    return Response(msgspec.json.encode(ModelList(data=models)), media_type="application/json")


@router.get(
    "/v1/models/{model_id:path}",
    summary="One model",
    responses=answers(Model, description="The model that this name or alias stands for"),
)
async def get_model(request: Request, caller: Caller, model_id: str) -> Response:
    found = services(request)
    card = found.catalogue.card(model_id)
    model = _model(card, found.engine, found.catalogue.default_temperature(card))
    return Response(msgspec.json.encode(model), media_type="application/json")


def _model(card: ModelCard, engine: Engine, default_temperature: float | None) -> Model:
    state = engine.states.get(card.name)
    loaded = state is not None and state.state == "ready"
    return Model(
        id=card.name,
        created=card.created,
        name=card.name,
        description=card.description,
        capabilities=Capabilities(completion_chat=card.chat),
        max_context_length=(state.max_context if state is not None else 0) or card.max_context,
        aliases=list(card.aliases),
        default_model_temperature=default_temperature,
        parameters=card.parameters,
        languages=list(card.languages),
        license=card.license,
        source=card.source,
        size_bytes=card.size_bytes,
        loaded=loaded,
    )
