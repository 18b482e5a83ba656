"""``POST /v1/completions``: continues text or token ids, with one object or a stream of chunks."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
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
from aquilon.api.reader import Reader, may_ask_models
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.chat_answers import TokenLogprob, token_logprob
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS
from aquilon.conversations.dialects.frames import DONE, frame
from aquilon.conversations.dialects.sampling_fields import SamplingFields
from aquilon.conversations.dialects.token_fields import PromptLogprobs, TokenId, TopLogprobs, prompt_logprobs
from aquilon.conversations.dialects.usage import StreamedUsage, UsageBody, usage_body
from aquilon.errors import invalid, unsupported
from aquilon.generation.fallbacks import Unprepared
from aquilon.generation.local import LocalSequence
from aquilon.generation.prepared import Prepared
from aquilon.money.usage_event import Usage
from aquilon.people.secrets import new_id
from aquilon.request import (
    Delta,
    Drawn,
    Event,
    FillPrompt,
    Finished,
    GenerationRequest,
    Prompt,
    ScoredToken,
    Started,
    TextPrompt,
    TokenPrompt,
)
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.tokenizer import Tokenizer

routes = Routes(tag="completions", direct=True)

MAX_PROMPTS = 256
MAX_SEQUENCES = 256
"""Prompts times ``n``."""

_PLAIN_BYTES = frozenset(range(0x20, 0x7F)) - {ord("\\")}

TokenIds = Annotated[list[TokenId], Field(min_length=1), FIRST_FAULT_ENDS]


class CompletionRequest(SamplingFields):
    """Text or token ids to continue: one prompt or a list of prompts."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS), FIRST_FAULT_ENDS]
        | TokenIds
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    echo: bool | None = Field(None, description="Whether the answer starts with the prompt.")
    logprobs: TopLogprobs | None = Field(
        None,
        description="How many of the likeliest tokens to report at each position; with `echo` also for the prompt.",
    )
    add_special_tokens: bool = Field(True, description="Whether text prompts get the model's beginning token (vLLM).")
    parse_special: bool = Field(
        True,
        description="Whether the name of a control token in a text prompt becomes that token (llama.cpp). Send false "
        "for text that other people wrote.",
    )
    best_of: int | None = Field(None, description="Must equal `n`.")
    suffix: str | None = Field(
        None, max_length=10_000_000, description="The text after the gap, for models that can fill gaps."
    )

    def generations(self) -> list[GenerationRequest]:
        """A canonical request for each prompt. Raises ApiError 400 for a request that can't be answered."""
        n = self.n or 1
        if self.best_of and self.best_of != n:
            raise unsupported("A 'best_of' that differs from 'n' is", param="best_of")
        prompts = self._prompts()
        if len(prompts) * n > MAX_SEQUENCES:
            raise invalid(
                f"{len(prompts)} prompts times n = {n} is more than {MAX_SEQUENCES} answers, the limit",
                param="prompt",
            )
        self.check_scores(streamed=bool(self.stream), scored=self.logprobs is not None)
        counts = [self.prompt_logprobs, self.logprobs if self.echo else None]
        sampling = self.sampling(
            max_tokens=self.max_tokens,
            logprobs=self.logprobs,
            prompt_logprobs=max((count for count in counts if count is not None), default=None),
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
                **self.token_options,
            )
            for prompt in prompts
        ]

    def _prompts(self) -> list[Prompt]:
        if self.suffix:
            texts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
            if self.echo or not all(isinstance(text, str) for text in texts):
                raise invalid("'suffix' needs prompts that are text, and can't be combined with 'echo'", param="suffix")
            return [FillPrompt(str(text), self.suffix) for text in texts]
        if isinstance(self.prompt, str):
            return [self._text(self.prompt)]
        token_ids = [item for item in self.prompt if isinstance(item, int)]
        if token_ids:
            return [TokenPrompt(tuple(token_ids))]
        return [
            self._text(item) if isinstance(item, str) else TokenPrompt(tuple(item))
            for item in self.prompt
            if not isinstance(item, int)
        ]

    def _text(self, text: str) -> TextPrompt:
        return TextPrompt(text, self.add_special_tokens, self.parse_special)


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """Four lists of the same length. The first token of a prompt has no log probability: null.

    A token that is a part of a character is written ``bytes:\\xf0\\x9f``. Offsets count characters of the text.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]
    content: list[TokenLogprob] | UnsetType = UNSET
    """With `return_token_ids`: the continuation's tokens and their alternatives with ids and bytes, as in a chat
    completion (llama.cpp)."""


class CompletionChoice(msgspec.Struct, frozen=True):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None
    token_ids: list[int] | UnsetType = UNSET
    """The tokens of the continuation, its end token among them, or in a chunk those since the last chunk (vLLM)."""
    prompt_token_ids: list[int] | UnsetType = UNSET
    """In a stream, in the choice's first chunk."""
    prompt_logprobs: PromptLogprobs | UnsetType = UNSET
    """For each token of the prompt: by id, the token itself and the likeliest ones (vLLM); only if asked for."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, or a chunk of a streamed answer."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    """The model that answered: the requested one, or its fall-back."""
    choices: list[CompletionChoice]
    usage: UsageBody | UnsetType | None = UNSET


class Echo(msgspec.Struct, frozen=True):
    """A prompt as its answers repeat it at their beginning."""

    text: str
    tokens: Sequence[str]
    """The prompt's tokens as log probabilities show them."""
    offsets: Sequence[int]
    """Where in the text each token begins, in characters."""


@routes.post(
    "/v1/completions",
    "Continue text or token ids",
    request=CompletionRequest,
    answer=Completion,
    says="The continuations, or a stream of their chunks.",
    stream=[Completion],
)
async def completions(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CompletionRequest)
    generations = fields.generations()
    pipeline = services(request).pipeline
    prepared = [await pipeline.prepare(generation, caller) for generation in generations]
    fields.check_prompt_scores(sum(prompt.prompt_tokens * prompt.n for prompt in prepared))
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
        reports=Reports(fields.logprobs, None if fields.stream else fields.prompt_logprobs, generations[0].returns_ids),
    )
    if fields.stream:
        written = chunks(parts, id_=id_, model=model, count=count, usage=fields.streamed_usage)
        return EventStream(written, Reader(request, may_ask_models))
    body = await answer_unless_gone(request, whole_answer(parts, id_=id_, model=model, count=count))
    return Response(body, media_type="application/json")


def _echo(generation: GenerationRequest, prepared: Prepared) -> Echo:
    if isinstance(prepared, Unprepared):
        raise prepared.reason
    if not isinstance(prepared, LocalSequence):
        raise invalid("'echo' works only with models that run on this server", param="echo")
    tokenizer, ids = prepared.loaded.text.tokenizer, prepared.sequence.prompt_ids
    prompt = generation.prompt
    text = prompt.text if isinstance(prompt, TextPrompt) and generation.cut is None else tokenizer.decode(ids)
    tokens = [shown_token(tokenizer.token_text(token_id), tokenizer.token_bytes(token_id)) for token_id in ids]
    return Echo(text, tokens, _offsets(text, ids, tokenizer))


def _offsets(text: str, ids: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """Where each token begins in the text, in characters. A control token has a length only where the text names it."""
    detokenizer, position, offsets = Detokenizer(tokenizer), 0, []
    for token_id in ids:
        offsets.append(min(position, len(text)))
        name = tokenizer.token_text(token_id) if tokenizer.is_control(token_id) else ""
        if name and text.startswith(name, position):
            position += len(name)
        else:
            position += len(detokenizer.add([token_id]))
    return offsets


class Reports(msgspec.Struct, frozen=True):
    """What is reported beside the text."""

    logprobs: int | None = None
    """How many alternatives beside each token; None reports nothing."""
    prompt_logprobs: int | None = None
    """The same for the prompt, in vLLM's shape."""
    token_ids: bool = False


class _Choice:
    """One choice while it grows: returns the piece that each event adds."""

    def __init__(self, index: int, echo: Echo | None, reports: Reports) -> None:
        self._index = index
        self._echo = echo
        self._reports = reports
        self._scored = reports.logprobs is not None
        self._prompt_ids: list[int] | UnsetType = UNSET
        self._drawn: list[int] = []
        """Tokens that no piece has yet."""
        self._begin = 0 if echo is None else len(echo.text)
        """Where the continuation begins in the choice's text."""
        self._shown = self._offset = self._begin

    def begin(self, started: Started) -> CompletionChoice | None:
        echo, most, scores = self._echo, self._reports.prompt_logprobs, started.prompt_logprobs
        if self._reports.token_ids and started.prompt_ids is not None:
            self._prompt_ids = list(started.prompt_ids)
        reported = UNSET if most is None or scores is None else prompt_logprobs(scores, most)
        if echo is None:
            return None if reported is UNSET else self._piece("", prompt_logprobs=reported)
        logprobs = CompletionLogprobs([], [], [], []) if self._scored else None
        if logprobs is not None:
            for score, token, offset in zip(scores or (), echo.tokens, echo.offsets, strict=False):
                _append(logprobs, token, offset=offset, score=score, most=self._reports.logprobs)
        return self._piece(echo.text, logprobs=logprobs, prompt_logprobs=reported)

    def draw(self, drawn: Drawn) -> None:
        self._drawn += drawn.ids

    def more(self, delta: Delta) -> CompletionChoice:
        self._shown += len(delta.text)
        return self._piece(delta.text, logprobs=self._logprobs(delta.tokens))

    def end(self, finished: Finished) -> CompletionChoice:
        return self._piece("", reason=finished.reason, logprobs=self._logprobs(()))

    def _piece(
        self,
        text: str,
        *,
        reason: str | None = None,
        logprobs: CompletionLogprobs | None = None,
        prompt_logprobs: PromptLogprobs | UnsetType = UNSET,
    ) -> CompletionChoice:
        prompt_ids, self._prompt_ids = self._prompt_ids, UNSET
        drawn, self._drawn = self._drawn, []
        ids = drawn if self._reports.token_ids else UNSET
        return CompletionChoice(self._index, text, reason, logprobs, ids, prompt_ids, prompt_logprobs)

    def _logprobs(self, tokens: Sequence[ScoredToken]) -> CompletionLogprobs | None:
        if not self._scored:
            return None
        content = [token_logprob(token) for token in tokens] if self._reports.token_ids else UNSET
        logprobs = CompletionLogprobs([], [], [], [], content)
        for token in tokens:
            text = shown_token(token.text, token.bytes)
            offset = self._offset if token.offset is None else self._begin + token.offset
            _append(logprobs, text, offset=min(offset, self._shown), score=token)
            self._offset = offset + len(token.text)
        return logprobs


def shown_token(text: str, data: bytes) -> str:
    """A token's text, or its bytes if they are only parts of characters, as OpenAI writes them."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(chr(byte) if byte in _PLAIN_BYTES else f"\\x{byte:02x}" for byte in data)
    return text


def _append(
    logprobs: CompletionLogprobs, token: str, *, offset: int, score: ScoredToken | None, most: int | None = None
) -> None:
    """``most``: the alternatives to report, if not all of them."""
    logprobs.tokens.append(token)
    logprobs.text_offset.append(offset)
    if score is None:
        logprobs.token_logprobs.append(None)
        logprobs.top_logprobs.append(None)
        return
    logprobs.token_logprobs.append(score.logprob)
    top: dict[str, float] = {}
    for other in score.top[:most]:
        top.setdefault(
            shown_token(other.text, other.bytes), other.logprob
        )  # of two tokens with the same text the likelier stays
    logprobs.top_logprobs.append(top | {token: score.logprob})


Piece = CompletionChoice | Started | Usage
"""A ``Started`` names the fall-back that answers."""


async def pieces(
    events: AsyncGenerator[Event], *, n: int, echoes: Sequence[Echo | None], reports: Reports
) -> AsyncGenerator[Piece]:
    """The piece that each event adds to a choice, of all prompts together, and at the end their total usage."""
    choices = [_Choice(index, echoes[index // n], reports) for index in range(len(echoes) * n)]
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Started):
                if event.stand_in:
                    yield event
                for choice in choices[event.prompt * n : (event.prompt + 1) * n]:
                    if (piece := choice.begin(event)) is not None:
                        yield piece
            elif isinstance(event, Drawn):
                choices[event.index].draw(event)
            elif isinstance(event, Delta):
                yield choices[event.index].more(event)
            elif isinstance(event, Finished):
                yield choices[event.index].end(event)
            elif isinstance(event, Usage):
                yield event


async def whole_answer(pieces: AsyncGenerator[Piece], *, id_: str, model: str, count: int) -> bytes:
    """The Completion as JSON, once each of ``count`` choices has finished."""
    collected: list[list[CompletionChoice]] = [[] for _ in range(count)]
    usage = Usage(0, 0)
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Usage):
                usage = piece
            elif isinstance(piece, Started):
                model = piece.stand_in
            else:
                collected[piece.index].append(piece)
    return msgspec.json.encode(
        Completion(
            id=id_,
            created=int(time.time()),
            model=model,
            choices=[_joined(index, parts) for index, parts in enumerate(collected)],
            usage=usage_body(usage),
        )
    )


async def chunks(
    pieces: AsyncGenerator[Piece], *, id_: str, model: str, count: int, usage: StreamedUsage
) -> AsyncGenerator[bytes]:
    """Server-sent frames. ``usage`` says which chunk has the usage."""
    encoder, created = msgspec.json.Encoder(), int(time.time())
    no_usage: UnsetType | None = None if usage == "in own chunk" else UNSET
    unfinished, last = count, CompletionChoice(0, "", "stop")

    def chunk(choices: list[CompletionChoice], usage: UsageBody | UnsetType | None) -> bytes:
        return frame(encoder.encode(Completion(id=id_, created=created, model=model, choices=choices, usage=usage)))

    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Usage):
                yield chunk([last], usage_body(piece) if usage == "in last chunk" else no_usage)
                if usage == "in own chunk":
                    yield chunk([], usage_body(piece))
            elif isinstance(piece, Started):
                model = piece.stand_in
            elif piece.finish_reason is not None and (unfinished := unfinished - 1) == 0:
                last = piece
            else:
                yield chunk([piece], no_usage)
    yield DONE


def _joined(index: int, parts: list[CompletionChoice]) -> CompletionChoice:
    logprobs = None
    if parts and parts[0].logprobs is not None:
        logprobs = CompletionLogprobs([], [], [], [])
        for part in parts:
            if part.logprobs is not None:
                logprobs.tokens.extend(part.logprobs.tokens)
                logprobs.token_logprobs.extend(part.logprobs.token_logprobs)
                logprobs.top_logprobs.extend(part.logprobs.top_logprobs)
                logprobs.text_offset.extend(part.logprobs.text_offset)
        contents = [part.logprobs.content for part in parts if part.logprobs is not None]
        if any(not isinstance(content, UnsetType) for content in contents):
            content = [token for tokens in contents if not isinstance(tokens, UnsetType) for token in tokens]
            logprobs = msgspec.structs.replace(logprobs, content=content)
    reason = next((part.finish_reason for part in parts if part.finish_reason is not None), "stop")
    ids: list[int] | UnsetType = UNSET
    if parts and not isinstance(parts[0].token_ids, UnsetType):
        ids = [token_id for part in parts if not isinstance(part.token_ids, UnsetType) for token_id in part.token_ids]
    first = parts[0] if parts else CompletionChoice(index, "")
    text = "".join(part.text for part in parts)
    return CompletionChoice(index, text, reason, logprobs, ids, first.prompt_token_ids, first.prompt_logprobs)
