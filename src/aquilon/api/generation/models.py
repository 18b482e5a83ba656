"""``GET /v1/models`` and ``/v1/models/{id}``: models' cards, for OpenAI's and Mistral's clients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import Query
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.catalogue.model_notes import Access
from aquilon.catalogue.text_models import TextModels
from aquilon.conversations.dialects.dialect import dialect_of
from aquilon.conversations.dialects.models_anthropic import MOST_MODELS, model_info, models_page
from aquilon.engine.client import Engine
from aquilon.errors import not_found
from aquilon.evaluation.scorecard import Scorecard
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
    rerank: bool = False
    """Whether it is a reranker; embedding models answer `/v1/rerank` too."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model's card. Contexts are in tokens, sizes in bytes, times in unix seconds."""

    id: str
    object: str = "model"
    created: int
    owned_by: str
    """``aquilon`` for a model that runs on this server, the upstream that gets its requests, or the organization of a
    fine-tuned model."""
    local: bool
    """Whether requests to it stay on this machine."""
    name: str
    description: str
    capabilities: Capabilities
    max_context_length: int
    aliases: list[str]
    deprecation: str | None = None
    """The time at which it stops answering, in the format of RFC 3339."""
    shutdown_date: str | None = None
    """OpenAI's name for ``deprecation``."""
    deprecation_replacement_model: str | None = None
    default_model_temperature: float | None = None
    type: str = "base"
    """``fine-tuned`` for the result of a fine-tuning job, and for an adapter."""
    job: str | UnsetType = UNSET
    """The fine-tuning job that made it."""
    root: str | UnsetType = UNSET
    """The model that it was fine-tuned from."""
    archived: bool | UnsetType = UNSET
    parameters: int
    """0 if unknown."""
    languages: list[str]
    """ISO 639 codes, the best-supported first; empty if the model's makers name none."""
    license: str
    access: Access
    """``open`` if its files may be downloaded; ``commercial`` if it only answers requests."""
    source: str
    """The source that it was pulled from; ``a folder`` for a folder of the server, without its path."""
    size_bytes: int
    loaded: bool
    """Whether it can answer at once, without being loaded first."""
    scorecard: Scorecard | None = None
    """What `aquilon eval --scorecard` measured of it, in up to five languages."""


class DeletedModel(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    deleted: bool = True


@routes.get(
    "/v1/models",
    "List the models",
    answer=ListOf[Model],
    says="The models that the caller may use, the organization's default chat model first.",
)
async def list_models(
    request: Request,
    caller: Caller,
    after_id: str | None = None,
    before_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_MODELS)] = 20,
) -> Response:
    """A request with the header `anthropic-version` is answered in Anthropic's shape: the chat models, a page of
    `limit` after or before an id. All others get all models.
    """
    state = services(request)
    catalogue = state.catalogue
    await catalogue.refresh()
    usable = [card for card in catalogue.cards() if is_for(caller, card) and not catalogue.is_retired(card)]
    default = (await state.chat_settings.of(caller.organization_id)).default_model
    usable.sort(key=lambda card: default is None or default not in (card.name, *card.aliases))
    if dialect_of(request.scope) == "anthropic":
        chat_models = [card for card in usable if card.chat]
        return json_answer(models_page(chat_models, after_id=after_id, before_id=before_id, limit=limit))
    trains = state.settings.training_processes > 0
    return json_answer(ListOf(data=[model_body(card, state.engine, state.texts, trains=trains) for card in usable]))


@routes.get("/v1/models/{model_id:path}", "Read a model's card", answer=Model, says="The model of this name or alias.")
async def get_model(request: Request, caller: Caller, model_id: str) -> Response:
    state = services(request)
    card = await visible_card(state, caller, model_id)
    if dialect_of(request.scope) == "anthropic":
        return json_answer(model_info(card))
    trains = state.settings.training_processes > 0
    return json_answer(model_body(card, state.engine, state.texts, trains=trains))


@routes.delete(
    "/v1/models/{model_id:path}",
    "Delete a fine-tuned model",
    answer=DeletedModel,
    says="The name of the deleted model. Operators remove the server's own models at /v1/server/models.",
)
async def delete_fine_tuned_model(request: Request, caller: Caller, model_id: str) -> Response:
    await services(request).fine_tuned_models.delete(caller, model_id)
    return json_answer(DeletedModel(id=model_id))


async def visible_card(state: Services, caller: Principal, name: str) -> ModelCard:
    """The model of this name or alias. Raises ApiError 404 if it is unknown or the caller may not use it, or 410."""
    await state.catalogue.refresh()
    card = state.catalogue.card(name, caller)
    if not is_for(caller, card, name):
        message = f"There is no model '{name[:100]}' that you may use"
        raise not_found(message, param="model", code="model_not_found", values={"name": name[:100]})
    return card


def is_for(caller: Principal, card: ModelCard, *names: str) -> bool:
    """Whether the caller may use a model, by its name or one of its aliases."""
    return card.is_for(caller, *names)


def model_body(card: ModelCard, engine: Engine, texts: TextModels, *, trains: bool = False) -> Model:
    """``trains``: whether this server runs fine-tuning jobs."""
    base = card.base or card.adapter_of if isinstance(card, LocalModel) else None
    engine_state = engine.states.get(card.name) if card.local else None
    retires = None if card.retires_at is None else datetime.fromtimestamp(card.retires_at, UTC)
    retirement = None if retires is None else retires.isoformat().replace("+00:00", "Z")
    return Model(
        id=card.name,
        created=card.created,
        owned_by=card.organization_id or card.provider,
        local=card.local,
        name=(card.title if isinstance(card, LocalModel) else None) or card.name,
        description=card.description,
        capabilities=Capabilities(
            completion_chat=card.chat,
            completion_fim=card.fim,
            function_calling=card.function_calling,
            fine_tuning=trains and card.chat and base is None and isinstance(card, LocalModel),
            vision=card.vision,
            reasoning=card.reasoning,
            embeddings=card.embeddings,
            rerank=card.rerank,
        ),
        max_context_length=(engine_state.max_context if engine_state is not None else 0) or card.max_context,
        aliases=list(card.aliases),
        deprecation=retirement,
        shutdown_date=retirement,
        deprecation_replacement_model=card.replacement,
        default_model_temperature=texts.default_temperature(card),
        type="base" if base is None else "fine-tuned",
        job=UNSET if base is None else (card.job_id if isinstance(card, LocalModel) else None) or UNSET,
        root=UNSET if base is None else base,
        archived=UNSET if base is None else False,
        parameters=card.parameters,
        languages=list(card.languages),
        license=card.license,
        access=card.access,
        source="a folder" if card.source.startswith("/") else card.source,
        size_bytes=card.size_bytes,
        loaded=not isinstance(card, LocalModel) or (engine_state is not None and engine_state.state == "ready"),
        scorecard=card.scorecard,
    )
