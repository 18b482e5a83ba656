"""``/api/tags``, ``/api/show``, ``/api/ps`` and ``/api/version``: the models here, as Ollama describes its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.body import read_body
from aquilon.api.generation.models import Model, is_for, model_body, visible_card
from aquilon.api.json_answer import json_answer
from aquilon.api.ollama.asking import known_name
from aquilon.api.ollama.callers import CallerOrOpen
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.card import LocalModel, ModelCard
from aquilon.checkpoints.store import ModelStore
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.ollama_answers import rfc3339
from aquilon.conversations.dialects.ollama_model_facts import (
    Identity,
    ModelDetails,
    capabilities,
    checkpoint_facts,
    identity,
    model_info,
)
from aquilon.errors import invalid
from aquilon.people.identity import Principal

routes = Routes(tag="ollama")

OLLAMA_VERSION = "0.14.0"
"""The version of Ollama whose API this is. Clients refuse servers that are older than what they use: VS Code's Copilot
those before 0.6.4, Codex those without ``/v1/responses`` (0.13)."""
_NEVER = "2300-01-01T00:00:00Z"
"""A model leaves memory when another one needs the room, not at a time. Clients show a far one as "forever"."""


class NamedModel(Fields):
    model: str | None = Field(None, max_length=1000)
    name: str | None = Field(None, max_length=1000, description="The older name of `model`.")

    @property
    def named(self) -> str:
        """Raises ApiError 400 without a name."""
        if not (name := self.model or self.name):
            raise invalid("Send the name of the model as 'model'", param="model")
        return name


class ShowRequest(NamedModel):
    verbose: bool | None = Field(None, description="Without effect.")


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    model: str
    modified_at: str
    size: int
    """Bytes on the disk; 0 for an upstream's model."""
    digest: str
    """The SHA-256 of its one file, or of the list of its files' sums; for an upstream's model, of its name."""
    details: ModelDetails


class Tags(msgspec.Struct, frozen=True):
    models: list[ListedModel]


class RunningModel(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    model: str
    size: int
    """Bytes of memory for weights and KV cache."""
    digest: str
    details: ModelDetails
    expires_at: str
    """Far away: a model leaves memory when another one needs the room."""
    size_vram: int = 0
    context_length: int


class Running(msgspec.Struct, frozen=True):
    models: list[RunningModel]


class ShownModel(msgspec.Struct, frozen=True, kw_only=True):
    modelfile: str
    parameters: str
    template: str
    """The chat template, in Jinja."""
    license: str
    details: ModelDetails
    model_info: dict[str, Any]
    """Numbers of its architecture, named as in GGUF; of an upstream's model only the context is known."""
    capabilities: list[str]
    modified_at: str


class Version(msgspec.Struct, frozen=True):
    version: str


@routes.get("/api/tags", "List the models in Ollama's shape", answer=Tags, says="The models that the caller may use.")
async def ollama_tags(request: Request, caller: CallerOrOpen) -> Response:
    state = services(request)
    cards = await _usable_cards(state, caller)
    identities = await _identities(state, cards)
    return json_answer(
        Tags(
            [
                ListedModel(
                    name=card.name,
                    model=card.name,
                    modified_at=rfc3339(card.created),
                    size=card.size_bytes,
                    digest=known.digest,
                    details=known.details,
                )
                for card, known in zip(cards, identities, strict=True)
            ]
        )
    )


@routes.get(
    "/api/ps",
    "List the models in memory in Ollama's shape",
    answer=Running,
    says="The models in memory that the caller may use.",
)
async def ollama_ps(request: Request, caller: CallerOrOpen) -> Response:
    state = services(request)
    states = state.engine.states
    ready = [
        card
        for card in await _usable_cards(state, caller)
        if isinstance(card, LocalModel) and card.name in states and states[card.name].state == "ready"
    ]
    identities = await _identities(state, ready)
    return json_answer(
        Running(
            [
                RunningModel(
                    name=card.name,
                    model=card.name,
                    size=states[card.name].memory,
                    digest=known.digest,
                    details=known.details,
                    expires_at=_NEVER,
                    context_length=states[card.name].max_context,
                )
                for card, known in zip(ready, identities, strict=True)
                if card.name in states  # it may have left memory in between
            ]
        )
    )


@routes.post(
    "/api/show",
    "Read what is known of a model in Ollama's shape",
    request=ShowRequest,
    answer=ShownModel,
    says="The model's details, template and capabilities.",
)
async def ollama_show(request: Request, caller: CallerOrOpen) -> Response:
    state = services(request)
    fields = await read_body(request, ShowRequest, any_type=True)
    card = await visible_card(state, caller, await known_name(state.catalogue, fields.named, caller))
    body = model_body(card, state.engine, state.texts)
    return json_answer(await asyncio.to_thread(_shown, card, body, state.catalogue.store))


@routes.get(
    "/api/version", "Read the version of Ollama's API", answer=Version, says="The version of Ollama whose API this is."
)
async def ollama_version(caller: CallerOrOpen) -> Response:
    return json_answer(Version(OLLAMA_VERSION))


def _shown(card: ModelCard, body: Model, store: ModelStore | None) -> ShownModel:
    facts = checkpoint_facts(card)
    temperature = body.default_model_temperature
    if temperature is None and facts is not None:
        temperature = facts.temperature
    return ShownModel(
        modelfile=f"FROM {card.name}\n",
        parameters="" if temperature is None else f"temperature {temperature:g}",
        template="" if facts is None else facts.template,
        license=card.license,
        details=identity(card, store).details,
        model_info=model_info(card, facts, context=body.max_context_length),
        capabilities=capabilities(card),
        modified_at=rfc3339(card.created),
    )


async def _usable_cards(state: Services, caller: Principal) -> list[ModelCard]:
    catalogue = state.catalogue
    await catalogue.refresh()
    return [card for card in catalogue.cards() if is_for(caller, card) and not catalogue.is_retired(card)]


async def _identities(state: Services, cards: Sequence[ModelCard]) -> list[Identity]:
    store = state.catalogue.store
    return await asyncio.to_thread(lambda: [identity(card, store) for card in cards])
