"""``GET /v1/models`` and one of them, as OpenAI's and Mistral's clients read a model's card."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.catalogue import Catalogue, LocalModel, ModelCard
from aquilon.engine.client import Engine
from aquilon.errors import not_found
from aquilon.people.identity import Principal

routes = Routes(tag="models")


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    completion_chat: bool
    completion_fim: bool = False
    function_calling: bool = False
    fine_tuning: bool = False
    vision: bool = False
    reasoning: bool = False
    ocr: bool = False
    classification: bool = False
    moderation: bool = False
    audio: bool = False
    embeddings: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Contexts are tokens, sizes bytes, times unix seconds."""

    id: str
    object: str = "model"
    created: int
    owned_by: str
    """``aquilon`` for a model that runs on this server, else the upstream that what is asked of it goes to."""
    local: bool
    """Whether what is asked of it stays on this machine."""
    name: str
    description: str
    capabilities: Capabilities
    max_context_length: int
    aliases: list[str]
    deprecation: str | None = None
    """When it stops answering, as RFC 3339 has it."""
    shutdown_date: str | None = None
    """The same, as OpenAI calls it."""
    deprecation_replacement_model: str | None = None
    default_model_temperature: float | None = None
    type: str = "base"
    parameters: int
    """0 where nobody says."""
    languages: list[str]
    """ISO 639 codes, the best-known first; empty where the model's makers don't say."""
    license: str
    access: str
    """``open``: its files can be downloaded; ``commercial``: it answers over the API only."""
    source: str
    """What it was pulled from; a folder of the server is told as such, not by its path."""
    size_bytes: int
    loaded: bool
    """Whether its first answer needn't wait for it."""


@routes.get(
    "/v1/models",
    "The models here, the default first",
    answer=ListOf[Model],
    says="Every model that the caller may use, the default chat model first",
)
async def list_models(request: Request, caller: Caller) -> Response:
    found = services(request)
    catalogue = found.catalogue
    await catalogue.refresh()
    usable = [card for card in catalogue.cards() if is_for(caller, card) and not catalogue.is_retired(card)]
    return json_answer(ListOf(data=[model_body(card, found.engine, catalogue) for card in usable]))


@routes.get(
    "/v1/models/{model_id:path}", "One model", answer=Model, says="The model that this name or alias stands for"
)
async def get_model(request: Request, caller: Caller, model_id: str) -> Response:
    found = services(request)
    card = await visible_card(found, caller, model_id)
    return json_answer(model_body(card, found.engine, found.catalogue))


async def visible_card(found: Services, caller: Principal, asked: str) -> ModelCard:
    """The model of this name or alias. Raises ApiError 404, also for one that the caller's key isn't for, or 410."""
    await found.catalogue.refresh()
    card = found.catalogue.card(asked, caller)
    if not is_for(caller, card, asked):
        raise not_found(f"This API key has no model '{asked[:100]}'", param="model", code="model_not_found")
    return card


def is_for(caller: Principal, card: ModelCard, *names: str) -> bool:
    """Whether the caller may use a model, by its name or one of its aliases."""
    return caller.allowed_models is None or not caller.allowed_models.isdisjoint((card.name, *card.aliases, *names))


def model_body(card: ModelCard, engine: Engine, catalogue: Catalogue) -> Model:
    state = engine.states.get(card.name) if card.local else None
    ends = None if card.retires_at is None else datetime.fromtimestamp(card.retires_at, UTC)
    end = None if ends is None else ends.isoformat().replace("+00:00", "Z")
    return Model(
        id=card.name,
        created=card.created,
        owned_by=card.provider,
        local=card.local,
        name=card.name,
        description=card.description,
        capabilities=Capabilities(
            completion_chat=card.chat,
            completion_fim=card.fim,
            function_calling=card.function_calling,
            vision=card.vision,
            reasoning=card.reasoning,
            embeddings=card.embeddings,
        ),
        max_context_length=(state.max_context if state is not None else 0) or card.max_context,
        aliases=list(card.aliases),
        deprecation=end,
        shutdown_date=end,
        deprecation_replacement_model=card.replacement,
        default_model_temperature=catalogue.default_temperature(card),
        parameters=card.parameters,
        languages=list(card.languages),
        license=card.license,
        access=card.access,
        source="a folder" if card.source.startswith("/") else card.source,
        size_bytes=card.size_bytes,
        loaded=not isinstance(card, LocalModel) or (state is not None and state.state == "ready"),
    )
