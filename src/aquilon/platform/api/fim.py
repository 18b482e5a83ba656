"""``POST /v1/fim/completions``: Mistral's filling of a gap in a text, answered in the chat's shape."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.platform.api.answer_headers import answer_headers
from aquilon.platform.api.body import read_body
from aquilon.platform.api.chat_answers import ChatCompletion, ChatCompletionChunk, Shape, chunks, whole_answer
from aquilon.platform.api.direct_route import DirectRoute
from aquilon.platform.api.event_stream import EventStream, answer_unless_gone
from aquilon.platform.api.sampling_fields import SamplingFields
from aquilon.platform.api.schemas import answers, request_body
from aquilon.platform.auth.authentication import Caller
from aquilon.platform.domain.generation import FillPrompt, GenerationRequest
from aquilon.platform.domain.secrets import new_id
from aquilon.platform.services import services

router = APIRouter(tags=["completions"], route_class=DirectRoute)


class FillRequest(SamplingFields):
    """A text with a gap: what stands before it and what follows it."""

    prompt: str = Field(max_length=10_000_000, description="What stands before the gap.")
    suffix: str | None = Field(None, max_length=10_000_000, description="What follows it.")

    def generation(self) -> GenerationRequest:
        """Raises ApiError 400."""
        return GenerationRequest(
            model=self.model,
            prompt=FillPrompt(self.prompt, self.suffix or ""),
            sampling=self.sampling(max_tokens=self.max_tokens, logprobs=None),
            temperature=self.temperature,
            stop=self.stops,
            n=self.n or 1,
            format=self.format,
            upstream_fields=self.upstream_fields,
        )


REQUESTS = [FillRequest]


@router.post(
    "/v1/fim/completions",
    summary="Fill a gap in a text",
    openapi_extra=request_body(FillRequest),
    responses=answers(
        ChatCompletion, description="What goes into the gap, or its chunks", stream=[ChatCompletionChunk]
    ),
)
async def fill(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, FillRequest)
    generation = fields.generation()
    pipeline = services(request).pipeline
    prepared = await pipeline.prepare(generation, caller)
    shape = Shape(id=new_id("fim"), model=prepared.model, n=generation.n, usage=fields.streamed_usage)
    events = pipeline.answer([prepared], caller, shape.id, answer_headers(request))
    if fields.stream:
        return EventStream(chunks(events, shape))
    return Response(await answer_unless_gone(request, whole_answer(events, shape)), media_type="application/json")
