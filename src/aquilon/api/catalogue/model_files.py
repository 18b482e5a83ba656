"""``/v1/models/{id}/files``: the files of an open model, to download whole or in ranges."""

from __future__ import annotations

import base64

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.downloads import RANGE, Download, download_answers
from aquilon.api.generation.models import visible_card
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.catalogue.card import LocalModel
from aquilon.checkpoints.store import StoredModel, StoreError
from aquilon.errors import forbidden, not_found
from aquilon.people.identity import Principal
from aquilon.people.permissions import require

routes = Routes("/v1/models/{model_id}/files", tag="models")


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "model.file"
    name: str
    """The part of the file's URL after the URL of this list."""
    size_bytes: int
    sha256: str


class ModelFileList(ListOf[ModelFile], frozen=True, kw_only=True):
    model: str
    license: str
    license_url: str


@routes.get(
    "", "List an open model's files", answer=ModelFileList, says="The files with their sizes and SHA-256 digests."
)
async def list_files(request: Request, caller: Caller, model_id: str) -> Response:
    model = await _open_model(services(request), caller, model_id)
    return json_answer(
        ModelFileList(
            model=model.name,
            license=model.license,
            license_url=model.license_url,
            data=[ModelFile(name=file.path, size_bytes=file.size, sha256=file.sha256) for file in model.files],
        )
    )


@routes.head("/{file:path}", "Get the size and digest of a file", include_in_schema=False)
@routes.get(
    "/{file:path}",
    "Download a file of an open model, whole or a range of its bytes",
    response_class=Download,
    openapi_extra=RANGE,
    responses=download_answers("The file's bytes."),
)
async def get_file(request: Request, caller: Caller, model_id: str, file: str) -> Response:
    """``Repr-Digest`` has the SHA-256 of the whole file, even for a range; ``ETag`` is for ``If-Range``."""
    model = await _open_model(services(request), caller, model_id)
    stored = next((candidate for candidate in model.files if candidate.path == file), None)
    if stored is None:
        names = ", ".join(f"'{candidate.path}'" for candidate in model.files)
        raise not_found(f"The model '{model.name}' has no file '{file[:100]}'; it has {names}", code="file_not_found")
    digest = base64.b64encode(bytes.fromhex(stored.sha256)).decode()
    return Download(
        model.path / stored.path,
        media_type="application/octet-stream",
        filename=stored.path.rpartition("/")[2],
        headers={"etag": f'"{stored.sha256}"', "repr-digest": f"sha-256=:{digest}:", "cache-control": "private"},
    )


async def _open_model(state: Services, caller: Principal, name: str) -> StoredModel:
    """Raises ApiError: 404 for a model that the caller doesn't see, 403 for one whose files can't be downloaded."""
    require(caller, "generate", caller.workspace_role)
    card = await visible_card(state, caller, name)
    if not isinstance(card, LocalModel):
        raise not_found(
            f"The files of '{card.name}' aren't on this server: {card.provider} has them",
            param="model",
            code="files_elsewhere",
            values={"model": card.name},
        )
    if card.access != "open":
        raise forbidden(
            f"The model '{card.name}' answers over the API only: its files can't be downloaded", code="model_not_open"
        )
    assert state.catalogue.store is not None
    try:
        return state.catalogue.store.get(card.name)
    except StoreError as error:
        raise not_found(
            f"The files of '{card.name}' can't be read now: {error}",
            param="model",
            code="files_unreadable",
            values={"model": card.name},
        ) from error
