"""``/v1/server/aliases``: the names that stand for models, for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.administration import aliases
from aquilon.catalogue.aliases import MAX_ALIAS_CHARACTERS, Alias
from aquilon.catalogue.model_notes import LAST_MOMENT
from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.permissions import require_operator

routes = Routes("/v1/server/aliases", tag="models")

ModelName = Annotated[str, Field(min_length=1, max_length=256)]


class ShareFields(Fields):
    model: ModelName
    percent: int = Field(ge=1, le=99, description="Of the callers: a caller always gets the same model.")


class SwitchFields(Fields):
    model: ModelName
    at: int = Field(ge=0, le=LAST_MOMENT, description="Seconds since 1970.")


class AliasRequest(Fields):
    """What the name stands for from now on; a share or a plan that is left out ends."""

    name: str = Field(min_length=1, max_length=MAX_ALIAS_CHARACTERS)
    target: ModelName = Field(description="A model's own name.")
    share: ShareFields | None = Field(None, description="Another model for a part of the callers.")
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
    """What a roll-back would let it stand for."""
    share: AliasShare | None
    switch: AliasSwitch | None
    in_settings: bool
    """Made by AQUILON_MODEL_ALIASES: it can't be changed here, but an alias set here takes its place."""


class AliasDeleted(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "model.alias.deleted"
    name: str
    deleted: bool = True


@routes.get("", "Names that stand for models", answer=ListOf[AliasBody], says="By name")
async def list_aliases(request: Request, caller: Caller) -> Response:
    require_operator(caller)
    found = services(request)
    await found.catalogue.refresh(now=True)
    return json_answer(ListOf(data=[_body(found, alias) for alias in found.catalogue.annotations.aliases()]))


@routes.post(
    "",
    "Let a name stand for a model, wholly, for a part of the callers, or from a moment on",
    request=AliasRequest,
    answer=AliasBody,
    says="As it is now",
)
async def set_alias(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, AliasRequest)
    found = services(request)
    known = [card.name for card in found.catalogue.cards() if not found.catalogue.is_retired(card)]
    definition = aliases.AliasDefinition(
        name=fields.name,
        target=fields.target,
        share=None if fields.share is None else (fields.share.model, fields.share.percent),
        switch=None if fields.switch is None else (fields.switch.model, fields.switch.at),
    )
    with _in_words():
        alias = await aliases.set_alias(found.database, caller, definition, models=known)
    return await _answer(found, alias)


@routes.post(
    "/{name:path}/rollback",
    "Undo an alias's share or planned switch, else go back to what it stood for before",
    answer=AliasBody,
    says="As it is now",
)
async def roll_back(request: Request, caller: Caller, name: str) -> Response:
    found = services(request)
    with _in_words():
        alias = await aliases.roll_back(found.database, caller, name)
    return await _answer(found, alias)


@routes.get("/{name:path}", "One alias", answer=AliasBody, says="As it is now")
async def get_alias(request: Request, caller: Caller, name: str) -> Response:
    require_operator(caller)
    found = services(request)
    await found.catalogue.refresh(now=True)
    alias = next((alias for alias in found.catalogue.annotations.aliases() if alias.name == name), None)
    if alias is None:
        raise not_found(f"There is no alias '{name[:100]}'", param="name")
    return json_answer(_body(found, alias))


@routes.delete("/{name:path}", "Remove an alias", answer=AliasDeleted, says="Done")
async def remove_alias(request: Request, caller: Caller, name: str) -> Response:
    found = services(request)
    try:
        await aliases.remove(found.database, caller, name)
    except ApiError as error:
        if error.status == 404 and any(alias.name == name for alias in found.catalogue.annotations.aliases()):
            raise invalid(f"The alias '{name}' is made by AQUILON_MODEL_ALIASES: take it out there") from None
        raise
    await found.catalogue.refresh(now=True)
    return json_answer(AliasDeleted(name=name))


async def _answer(found: Services, alias: Alias) -> Response:
    await found.catalogue.refresh(now=True)
    return json_answer(_body(found, alias))


def _body(found: Services, alias: Alias) -> AliasBody:
    return alias_body(alias, in_settings=not found.catalogue.annotations.is_stored(alias.name))


def alias_body(alias: Alias, *, in_settings: bool = False) -> AliasBody:
    share = switch = None
    if alias.share_target is not None:
        share = AliasShare(alias.share_target, alias.share_percent)
    if alias.switch_target is not None and alias.switch_at is not None:
        switch = AliasSwitch(alias.switch_target, alias.switch_at)
    return AliasBody(
        name=alias.name, target=alias.target, former=alias.former, share=share, switch=switch, in_settings=in_settings
    )


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise invalid(str(error)) from None
