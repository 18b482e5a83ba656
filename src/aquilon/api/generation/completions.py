"""``POST /v1/completions``."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.completion_answers import Completion, Echo, chunks, pieces, shown_token, whole_answer
from aquilon.api.generation.completion_fields import CompletionRequest
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.generation.fallbacks import Unprepared
from aquilon.generation.local import LocalSequence
from aquilon.generation.prepared import Prepared
from aquilon.people.secrets import new_id
from aquilon.request import GenerationRequest, TextPrompt
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.tokenizer import Tokenizer

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
        pipeline.answer(prepared, caller, id_, model_answer_headers(request, model), streamed=bool(fields.stream)),
        n=n,
        echoes=[_echo(*pair) if fields.echo else None for pair in zip(generations, prepared, strict=True)],
        logprobs=fields.logprobs is not None,
    )
    if fields.stream:
        return EventStream(chunks(parts, id_=id_, model=model, count=count, usage=fields.streamed_usage))
    body = await answer_unless_gone(request, whole_answer(parts, id_=id_, model=model, count=count))
    return Response(body, media_type="application/json")


def _echo(generation: GenerationRequest, prepared: Prepared) -> Echo:
    if isinstance(prepared, Unprepared):
        raise prepared.reason
    if not isinstance(prepared, LocalSequence):
        raise invalid("'echo' works with models of this server's own engine alone", param="echo")
    tokenizer, ids = prepared.loaded.text.tokenizer, prepared.sequence.prompt_ids
    text = generation.prompt.text if isinstance(generation.prompt, TextPrompt) else tokenizer.decode(ids)
    tokens = [shown_token(tokenizer.token_text(token_id), tokenizer.token_bytes(token_id)) for token_id in ids]
    return Echo(text, tokens, _offsets(text, ids, tokenizer))


def _offsets(text: str, ids: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """Where in a text each of its tokens begins; control tokens take room where the text names them."""
    detokenizer, position, offsets = Detokenizer(tokenizer), 0, []
    for token_id in ids:
        offsets.append(min(position, len(text)))
        name = tokenizer.token_text(token_id) if tokenizer.is_control(token_id) else ""
        if name and text.startswith(name, position):
            position += len(name)
        else:
            position += len(detokenizer.add([token_id]))
    return offsets
