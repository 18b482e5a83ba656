"""``/v1/server/aliases``: other names for models, for the operator."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf, in_words
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.administration import aliases
from aquilon.catalogue.aliases import MAX_ALIAS_CHARACTERS, Alias
from aquilon.catalogue.model_notes import LAST_MOMENT
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.permissions import require_operator

routes = Routes("/v1/server/aliases", tag="models")

ModelName = Annotated[str, Field(min_length=1, max_length=256)]


class ShareFields(OwnFields):
    model: ModelName
    percent: int = Field(
        ge=1, le=99, description="The percentage of callers who get this model; a caller always gets the same one."
    )


class SwitchFields(OwnFields):
    model: ModelName
    at: int = Field(ge=0, le=LAST_MOMENT, description="When this model takes over, in seconds since 1970.")


class AliasRequest(OwnFields):
    """The model that the alias stands for. A share or a planned switch that is left out is removed."""

    name: str = Field(min_length=1, max_length=MAX_ALIAS_CHARACTERS)
    target: ModelName = Field(description="A model's name, not an alias.")
    share: ShareFields | None = Field(None, description="Another model for a share of the callers.")
    switch: SwitchFields | None = Field(None, description="Another model from a moment on.")


class AliasShare(msgspec.Struct, frozen=True):
    model: str
    percent: int


class AliasSwitch(msgspec.Struct, frozen=True):
    model: str
    at: int


class AliasBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "model.alias"
    name: str
    target: str
    former: str | None
    """The model that a roll-back would restore."""
    share: AliasShare | None
    switch: AliasSwitch | None
    in_settings: bool
    """Whether AQUILON_MODEL_ALIASES defines the alias; an alias that is set here replaces that definition."""


class AliasDeleted(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "model.alias.deleted"
    name: str
    deleted: bool = True


@routes.get("", "List the aliases of models", answer=ListOf[AliasBody], says="The aliases, by name.")
async def list_aliases(request: Request, caller: Caller) -> Response:
    require_operator(caller)
    state = services(request)
    await state.catalogue.refresh(now=True)
    return json_answer(ListOf(data=[_body(state, alias) for alias in state.catalogue.annotations.aliases()]))


@routes.post(
    "",
    "Set an alias of a model: for all callers, for a share of them, or from a moment on",
    request=AliasRequest,
    answer=AliasBody,
    says="The alias that was set.",
)
async def set_alias(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, AliasRequest)
    state = services(request)
    model_names = [card.name for card in state.catalogue.cards() if not state.catalogue.is_retired(card)]
    new_alias = aliases.AliasDefinition(
        name=fields.name,
        target=fields.target,
        share=None if fields.share is None else (fields.share.model, fields.share.percent),
        switch=None if fields.switch is None else (fields.switch.model, fields.switch.at),
    )
    with in_words(None):
        alias = await aliases.set_alias(state.database, caller, new_alias, models=model_names)
    return await _answer(state, alias)


@routes.post(
    "/{name:path}/rollback",
    "Remove an alias's share or planned switch; without either, restore its former model",
    answer=AliasBody,
    says="The alias after the roll-back.",
)
async def roll_back(request: Request, caller: Caller, name: str) -> Response:
    state = services(request)
    with in_words(None):
        alias = await aliases.roll_back(state.database, caller, name)
    return await _answer(state, alias)


@routes.get("/{name:path}", "Get an alias", answer=AliasBody, says="The alias.")
async def get_alias(request: Request, caller: Caller, name: str) -> Response:
    require_operator(caller)
    state = services(request)
    await state.catalogue.refresh(now=True)
    alias = next((alias for alias in state.catalogue.annotations.aliases() if alias.name == name), None)
    if alias is None:
        raise not_found(
            f"There is no alias '{name[:100]}'", param="name", code="alias_not_found", values={"name": name[:100]}
        )
    return json_answer(_body(state, alias))


@routes.delete("/{name:path}", "Remove an alias", answer=AliasDeleted, says="The name of the removed alias.")
async def remove_alias(request: Request, caller: Caller, name: str) -> Response:
    state = services(request)
    try:
        await aliases.remove(state.database, caller, name)
    except ApiError as error:
        if error.status == 404 and any(alias.name == name for alias in state.catalogue.annotations.aliases()):
            raise invalid(
                f"The alias '{name}' is set by AQUILON_MODEL_ALIASES: remove it there",
                code="alias_in_settings",
                values={"name": name},
            ) from None
        raise
    await state.catalogue.refresh(now=True)
    return json_answer(AliasDeleted(name=name))


async def _answer(state: Services, alias: Alias) -> Response:
    await state.catalogue.refresh(now=True)
    return json_answer(_body(state, alias))


def _body(state: Services, alias: Alias) -> AliasBody:
    return alias_body(alias, in_settings=not state.catalogue.annotations.is_stored(alias.name))


def alias_body(alias: Alias, *, in_settings: bool = False) -> AliasBody:
    share = switch = None
    if alias.share_target is not None:
        share = AliasShare(alias.share_target, alias.share_percent)
    if alias.switch_target is not None and alias.switch_at is not None:
        switch = AliasSwitch(alias.switch_target, alias.switch_at)
    return AliasBody(
        name=alias.name, target=alias.target, former=alias.former, share=share, switch=switch, in_settings=in_settings
    )
