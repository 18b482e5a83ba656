"""What ``/api/chat`` and ``/api/generate`` share: the model's name, answering, loading and unloading."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.services import services
from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.conversations.dialects.ollama_answers import Answer, Clock, Kind, without_prompt
from aquilon.conversations.dialects.ollama_fields import AnswerFields
from aquilon.people.identity import Principal
from aquilon.people.permissions import may_operate, require_generation
from aquilon.people.secrets import new_id
from aquilon.request import Prompt

LINES = "application/x-ndjson"
_LATEST = ":latest"
_HUBS = frozenset({"hf.co", "huggingface.co"})


async def known_name(catalogue: Catalogue, name: str, caller: Principal) -> str:
    """The name of the model or alias that an Ollama client means; unknown names stay as they are.

    Clients add ``:latest``. After a pull they ask for the model by the source that they pulled.
    """
    await catalogue.refresh()
    if catalogue.get(name) is not None or catalogue.annotations.target(name, caller) is not None:
        return name
    name = name.removesuffix(_LATEST) or name
    source = source_of(name)
    return name if source is None else next((card.name for card in catalogue.cards() if card.source == source), name)


def source_of(name: str) -> str | None:
    """The source to pull for a name such as ``hf.co/owner/repo`` or ``hf:owner/repo``; None for other names."""
    if name.startswith(("hf:", "pypi:")):
        return name
    host, _, repository = name.partition("/")
    if host not in _HUBS or not repository:
        return None
    repository, _, file = repository.partition(":")
    return f"hf:{repository}/{file}" if file else f"hf:{repository}"


async def answer(
    request: Request, caller: Principal, fields: AnswerFields, *, kind: Kind, name: str, prompt: Prompt, clock: Clock
) -> Response:
    """``name``: the model's, as `known_name` gives it. Raises ApiError."""
    state = services(request)
    pipeline, card = state.pipeline, state.catalogue.card(name, caller)
    prepared = await pipeline.prepare(fields.generation(prompt, name, reasons=card.reasoning), caller)
    streamed = fields.stream is not False
    events = pipeline.answer(
        [prepared],
        caller,
        request_id=new_id("ollama"),
        headers=model_answer_headers(request, prepared.model),
        streamed=streamed,
    )
    shape = Answer(kind=kind, model=prepared.model, clock=clock, thoughts=fields.think is not False)
    if streamed:
        return EventStream(shape.lines(events), Reader(request, may_ask_models), media_type=LINES, heartbeat=b"")
    return Response(await answer_unless_gone(request, shape.whole(events)), media_type="application/json")


async def load_or_unload(
    request: Request, caller: Principal, fields: AnswerFields, *, kind: Kind, name: str
) -> Response:
    """The answer to a request without a prompt. Raises ApiError.

    An operator's starts to load the model, or unloads it. Anybody else's has no effect: a model's first request loads
    it, and others may be using it.
    """
    state = services(request)
    card = state.catalogue.card(name, caller)
    require_generation(caller, card.name, name)
    if isinstance(card, LocalModel) and may_operate(caller):
        act = state.server_models.unload if fields.unloads else state.server_models.load
        await act(caller, card.name)
    body = without_prompt(kind, card.name, "unload" if fields.unloads else "load")
    return Response(body, media_type=LINES if fields.stream is not False else "application/json")
