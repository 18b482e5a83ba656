"""``POST /v1/completions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.answer_headers import model_answer_headers
from aquilon.api.authentication import Caller
from aquilon.api.body import FIRST_FAULT_ENDS, read_body
from aquilon.api.event_stream import EventStream, answer_unless_gone
from aquilon.api.generation.completion_answers import Completion, Echo, chunks, pieces, shown_token, whole_answer
from aquilon.api.generation.sampling_fields import SamplingFields, TokenId, TopLogprobs
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid, unsupported
from aquilon.generation.fallbacks import Unprepared
from aquilon.generation.local import LocalSequence
from aquilon.generation.prepared import Prepared
from aquilon.people.secrets import new_id
from aquilon.request import FillPrompt, GenerationRequest, Prompt, TextPrompt, TokenPrompt
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.tokenizer import Tokenizer

routes = Routes(tag="completions", direct=True)


MAX_PROMPTS = 256
MAX_SEQUENCES = 256
"""Prompts times ``n``."""

TokenIds = Annotated[list[TokenId], Field(min_length=1), FIRST_FAULT_ENDS]


class CompletionRequest(SamplingFields):
    """Text, or token ids, to continue; one prompt or a list of them."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS), FIRST_FAULT_ENDS]
        | TokenIds
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    echo: bool | None = Field(None, description="Begin the answer with the prompt.")
    logprobs: TopLogprobs | None = Field(
        None, description="Most likely tokens to report in each place; with `echo` the prompt's too."
    )
    add_special_tokens: bool = Field(True, description="Whether text prompts get the model's beginning token (vLLM).")
    parse_special: bool = Field(
        True,
        description="Whether control tokens that a text prompt names are those tokens (llama.cpp); false keeps text "
        "of other people's plain.",
    )
    best_of: int | None = Field(None, description="Must equal `n`.")
    suffix: str | None = Field(
        None, max_length=10_000_000, description="What follows the gap that is to be filled, for models that fill gaps."
    )

    def generations(self) -> list[GenerationRequest]:
        """One a prompt. Raises ApiError 400 for what can't be answered."""
        n = self.n or 1
        if self.best_of and self.best_of != n:
            raise unsupported("A 'best_of' that differs from 'n' is", param="best_of")
        prompts = self._prompts()
        if len(prompts) * n > MAX_SEQUENCES:
            raise invalid(f"{len(prompts)} prompts times n = {n} is more than {MAX_SEQUENCES}", param="prompt")
        sampling = self.sampling(
            max_tokens=self.max_tokens, logprobs=self.logprobs, prompt_logprobs=self.logprobs if self.echo else None
        )
        format_ = self.format
        return [
            GenerationRequest(
                model=self.model,
                prompt=prompt,
                sampling=sampling,
                temperature=self.temperature,
                stop=self.stops,
                n=n,
                format=format_,
                upstream_fields=self.upstream_fields,
            )
            for prompt in prompts
        ]

    def _prompts(self) -> list[Prompt]:
        if self.suffix:
            texts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
            if self.echo or not all(isinstance(text, str) for text in texts):
                raise invalid("'suffix' goes with prompts that are text, and without 'echo'", param="suffix")
            return [FillPrompt(str(text), self.suffix) for text in texts]
        if isinstance(self.prompt, str):
            return [self._text(self.prompt)]
        single = [item for item in self.prompt if isinstance(item, int)]
        if single:
            return [TokenPrompt(tuple(single))]
        return [
            self._text(item) if isinstance(item, str) else TokenPrompt(tuple(item))
            for item in self.prompt
            if not isinstance(item, int)
        ]

    def _text(self, text: str) -> TextPrompt:
        return TextPrompt(text, self.add_special_tokens, self.parse_special)


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
        pipeline.answer(
            prepared,
            caller,
            request_id=id_,
            headers=model_answer_headers(request, model),
            streamed=bool(fields.stream),
        ),
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
