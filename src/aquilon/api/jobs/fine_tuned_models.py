"""``/v1/fine_tuning/models``: an organization's fine-tuned models, in Mistral's contract."""

from __future__ import annotations

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.generation.models import Capabilities
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.tables import FineTunedModel
from aquilon.conversations.dialects.fields import Fields

routes = Routes("/v1/fine_tuning/models", tag="fine-tuning")


class FineTunedModelRequest(Fields):
    name: str | None = Field(None, max_length=100, description="A name to show.")
    description: str | None = Field(None, max_length=1000)


class FineTunedModelBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    model_type: str = "completion"
    created: int
    owned_by: str
    """The organization's id."""
    workspace_id: str
    """Empty: every workspace of the organization may use it."""
    root: str
    """The model that it was fine-tuned from."""
    root_version: str
    archived: bool
    name: str | None
    description: str | None
    capabilities: Capabilities
    max_context_length: int
    aliases: list[str]
    job: str


class ArchivedModel(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    archived: bool


@routes.add(
    "PATCH",
    "/{fine_tuned_model}",
    "Change the name and the description of a fine-tuned model",
    request=FineTunedModelRequest,
    answer=FineTunedModelBody,
    says="The changed model.",
)
async def change_fine_tuned_model(request: Request, caller: Caller, fine_tuned_model: str) -> Response:
    fields = await read_body(request, FineTunedModelRequest)
    names = {"name": "title", "description": "description"}
    values = {column: getattr(fields, name) for name, column in names.items() if name in fields.model_fields_set}
    models = services(request).fine_tuned_models
    model = await models.change(caller, fine_tuned_model, action="fine_tuned_model.changed", **values)
    return json_answer(_body(request, model))


@routes.post(
    "/{fine_tuned_model}/archive",
    "Archive a fine-tuned model: it keeps its files and answers nothing",
    answer=ArchivedModel,
    says="The archived model.",
)
async def archive(request: Request, caller: Caller, fine_tuned_model: str) -> Response:
    models = services(request).fine_tuned_models
    model = await models.change(caller, fine_tuned_model, action="fine_tuned_model.archived", archived=True)
    return json_answer(ArchivedModel(id=model.name, archived=model.archived))


@routes.delete(
    "/{fine_tuned_model}/archive",
    "Take a fine-tuned model out of the archive",
    answer=ArchivedModel,
    says="The model, which answers again.",
)
async def unarchive(request: Request, caller: Caller, fine_tuned_model: str) -> Response:
    models = services(request).fine_tuned_models
    model = await models.change(caller, fine_tuned_model, action="fine_tuned_model.unarchived", archived=False)
    return json_answer(ArchivedModel(id=model.name, archived=model.archived))


def _body(request: Request, model: FineTunedModel) -> FineTunedModelBody:
    catalogue = services(request).catalogue
    card, base = catalogue.get(model.name), catalogue.get(model.base)
    known = card or base
    return FineTunedModelBody(
        id=model.name,
        created=model.created_at,
        owned_by=model.organization_id,
        workspace_id="",
        root=model.base,
        root_version=str(base.created) if base is not None else "",
        archived=model.archived,
        name=model.title,
        description=model.description,
        capabilities=Capabilities(
            completion_chat=known is not None and known.chat,
            function_calling=known is not None and known.function_calling,
        ),
        max_context_length=known.max_context if isinstance(known, LocalModel) else 0,
        aliases=[] if card is None else list(card.aliases),
        job=model.job_id,
    )
