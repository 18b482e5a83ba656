"""``POST /infill``, llama.cpp's route that fills a gap in a text. Its answer has llama.cpp's shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.models import is_for
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.frames import frame
from aquilon.conversations.dialects.sampling_fields import MAX_TOKEN_COUNT, SamplingFields
from aquilon.errors import invalid
from aquilon.money.usage_event import Usage
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import Delta, Event, FillPrompt, Finished, FinishedReason, GenerationRequest, Started

routes = Routes(tag="completions", direct=True)

MAX_EXTRA_TEXTS = 256

_UNLIMITED = -2
"""-1 and -2 of ``n_predict``: as many tokens as the context holds."""

Text = Annotated[str, Field(max_length=10_000_000)]


class ExtraText(Fields):
    filename: str = Field("", max_length=1000)
    text: Text


class InfillRequest(SamplingFields):
    """A text with a gap, and texts of other files."""

    model: str = Field("", max_length=1000, description="By default the first model here that fills gaps.")
    input_prefix: Text = Field("", description="The text before the gap.")
    input_suffix: Text = Field("", description="The text after the gap.")
    input_extra: Annotated[list[ExtraText], Field(max_length=MAX_EXTRA_TEXTS)] | None = Field(
        None, description="Texts of other files, which the model reads first."
    )
    prompt: Text = Field("", description="The beginning of the text for the gap.")
    n_predict: Annotated[int, Field(ge=_UNLIMITED, le=MAX_TOKEN_COUNT)] | None = Field(
        None, description="`max_tokens`; -1 and -2: no limit."
    )
    repeat_penalty: float | None = Field(None, gt=0, le=10, description="`repetition_penalty`.")

    def generation(self, model: str) -> GenerationRequest:
        """Raises ApiError 400."""
        extra = "".join(f"{extra.filename}\n{extra.text}\n\n" for extra in self.input_extra or ())
        limit = self.max_tokens if self.n_predict is None else self.n_predict
        sampling = self.sampling(max_tokens=None if limit is None or limit < 0 else limit, logprobs=None)
        if self.seed == -1:  # llama.cpp's word for a random seed
            sampling = msgspec.structs.replace(sampling, seed=None)
        if self.repeat_penalty is not None:
            sampling = msgspec.structs.replace(sampling, repetition_penalty=self.repeat_penalty)
        return GenerationRequest(
            model=model,
            prompt=FillPrompt(extra + self.input_prefix + self.prompt, self.input_suffix),
            sampling=sampling,
            temperature=self.temperature,
            stop=self.stops,
            format=self.format,
        )


class InfillChunk(msgspec.Struct, frozen=True):
    content: str
    stop: bool = False
    index: int = 0


class Infilled(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, or the end of a stream, whose ``content`` is empty."""

    content: str
    stop: bool = True
    index: int = 0
    model: str
    stop_type: str | UnsetType = UNSET
    """``limit`` or ``eos``; absent if a stop string may have ended the text."""
    has_new_line: bool
    truncated: bool = False
    tokens_predicted: int
    tokens_evaluated: int
    tokens_cached: int
    """Of ``tokens_evaluated``, those that were not computed again."""


@routes.post(
    "/infill",
    "Fill a gap in a text, as llama.cpp does",
    request=InfillRequest,
    answer=Infilled,
    says="The text for the gap, or a stream of its chunks.",
    stream=[InfillChunk, Infilled],
)
async def infill(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, InfillRequest)
    state = services(request)
    generation = fields.generation(fields.model or await _filling_model(state, caller))
    prepared = await state.pipeline.prepare(generation, caller)
    events = state.pipeline.answer(
        [prepared],
        caller,
        request_id=new_id("fim"),
        headers=model_answer_headers(request, prepared.model),
        streamed=bool(fields.stream),
    )
    parts = _parts(events, model=prepared.model, has_stops=bool(fields.stops))
    if fields.stream:
        return EventStream(_frames(parts), Reader(request, may_ask_models))
    body = await answer_unless_gone(request, _whole(parts))
    return Response(msgspec.json.encode(body), media_type="application/json")


async def _filling_model(state: Services, caller: Principal) -> str:
    """The first model that fills gaps and that the caller may use. Raises ApiError 400 if there is none."""
    catalogue = state.catalogue
    await catalogue.refresh()
    for card in catalogue.cards():
        if card.fim and is_for(caller, card) and not catalogue.is_retired(card):
            return card.name
    raise invalid(
        "No model here can fill a gap in a text: pull one that was trained for it, such as Qwen2.5-Coder",
        param="model",
        code="not_a_fim_model",
    )


async def _parts(
    events: AsyncGenerator[Event], *, model: str, has_stops: bool
) -> AsyncGenerator[InfillChunk | Infilled]:
    """A chunk for each piece of text, and at last the end."""
    reason: FinishedReason = "stop"
    has_new_line = False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Started):
                model = event.stand_in or model
            elif isinstance(event, Delta) and event.text:
                has_new_line = has_new_line or "\n" in event.text
                yield InfillChunk(event.text)
            elif isinstance(event, Finished):
                reason = event.reason
            elif isinstance(event, Usage):
                yield Infilled(
                    content="",
                    model=model,
                    stop_type="limit" if reason == "length" else UNSET if has_stops else "eos",
                    has_new_line=has_new_line,
                    tokens_predicted=event.completion_tokens,
                    tokens_evaluated=event.prompt_tokens,
                    tokens_cached=event.cached_tokens,
                )


async def _frames(parts: AsyncGenerator[InfillChunk | Infilled]) -> AsyncGenerator[bytes]:
    async with aclosing(parts):
        async for part in parts:
            yield frame(msgspec.json.encode(part))


async def _whole(parts: AsyncGenerator[InfillChunk | Infilled]) -> Infilled:
    content = ""
    async with aclosing(parts):
        async for part in parts:
            if isinstance(part, Infilled):
                return msgspec.structs.replace(part, content=content)
            content += part.content
    raise AssertionError("an answer ends with its usage")
