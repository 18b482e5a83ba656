"""``POST /v1/fim/completions``, Mistral's route that fills a gap in a text. Its answer is a chat completion."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.chat_answers import ChatCompletion, ChatCompletionChunk, Shape, chunks, whole_answer
from aquilon.conversations.dialects.sampling_fields import SamplingFields
from aquilon.people.secrets import new_id
from aquilon.request import FillPrompt, GenerationRequest

routes = Routes(tag="completions", direct=True)


class FillRequest(SamplingFields):
    """A text with a gap: the text before it and the text after it."""

    prompt: str = Field(max_length=10_000_000, description="The text before the gap.")
    suffix: str | None = Field(None, max_length=10_000_000, description="The text after the gap.")

    def generation(self) -> GenerationRequest:
        """Raises ApiError 400."""
        self.check_scores(streamed=bool(self.stream), scored=False)
        return GenerationRequest(
            model=self.model,
            prompt=FillPrompt(self.prompt, self.suffix or ""),
            sampling=self.sampling(max_tokens=self.max_tokens, logprobs=None, prompt_logprobs=self.prompt_logprobs),
            temperature=self.temperature,
            stop=self.stops,
            n=self.n or 1,
            format=self.format,
            upstream_fields=self.upstream_fields,
            **self.token_options,
        )


@routes.post(
    "/v1/fim/completions",
    "Fill a gap in a text",
    request=FillRequest,
    answer=ChatCompletion,
    says="The text for the gap, or a stream of its chunks.",
    stream=[ChatCompletionChunk],
)
async def fill(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, FillRequest)
    generation = fields.generation()
    pipeline = services(request).pipeline
    prepared = await pipeline.prepare(generation, caller)
    fields.check_prompt_scores(prepared.prompt_tokens)
    shape = Shape(
        id=new_id("fim"),
        model=prepared.model,
        n=generation.n,
        prompt_logprobs=fields.prompt_logprobs,
        token_ids=generation.returns_ids,
        usage=fields.streamed_usage,
    )
    events = pipeline.answer(
        [prepared],
        caller,
        request_id=shape.id,
        headers=model_answer_headers(request, prepared.model),
        streamed=bool(fields.stream),
    )
    if fields.stream:
        return EventStream(chunks(events, shape), Reader(request, may_ask_models))
    return Response(await answer_unless_gone(request, whole_answer(events, shape)), media_type="application/json")
