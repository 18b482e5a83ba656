"""``POST /v1/completions``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.completion_answers import Completion, Echo, chunks, pieces, whole_answer
from aquilon.api.generation.completion_fields import CompletionRequest
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.generation.fallbacks import Unprepared
from aquilon.generation.local import LocalSequence
from aquilon.generation.prepared import Prepared
from aquilon.people.secrets import new_id
from aquilon.request import GenerationRequest, TextPrompt

routes = Routes(tag="completions", direct=True)


@routes.post(
    "/v1/completions",
    "Continue text or token ids",
    request=CompletionRequest,
    answer=Completion,
    says="The continuations, or their chunks",
    stream=[Completion],
)
async def completions(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CompletionRequest)
    generations = fields.generations()
    pipeline = services(request).pipeline
    prepared = [await pipeline.prepare(generation, caller) for generation in generations]
    n, model = generations[0].n, prepared[0].model
    count, id_ = n * len(prepared), new_id("cmpl")
    parts = pieces(
        pipeline.answer(prepared, caller, id_, answer_headers(request)),
        n=n,
        echoes=[_echo(*pair) if fields.echo else None for pair in zip(generations, prepared, strict=True)],
        logprobs=fields.logprobs is not None,
    )
    if fields.stream:
        return EventStream(chunks(parts, id_=id_, model=model, count=count, usage_chunk=fields.wants_usage_chunk))
    body = await answer_unless_gone(request, whole_answer(parts, id_=id_, model=model, count=count))
    return Response(body, media_type="application/json")


def _echo(generation: GenerationRequest, prepared: Prepared) -> Echo:
    if isinstance(prepared, Unprepared):
        raise prepared.reason
    if not isinstance(prepared, LocalSequence):
        raise invalid("'echo' works with models of this server's own engine alone", param="echo")
    tokenizer, ids = prepared.loaded.text.tokenizer, prepared.sequence.prompt_ids
    text = generation.prompt.text if isinstance(generation.prompt, TextPrompt) else tokenizer.decode(ids)
    return Echo(text, tokenizer.token_text(ids[0]))
