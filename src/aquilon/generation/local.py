"""Generation by the engine on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.text_models import LoadedText, TextModels
from aquilon.engine.client import Engine, EngineError
from aquilon.engine.protocol import SequenceOutput, SequenceRequest, TokenLogprobs
from aquilon.errors import ApiError, invalid, overloaded, server_error, server_stopping, unsupported
from aquilon.generation.constraints import Constraints
from aquilon.generation.decoding import Decoding, reading_of, repeated, scored
from aquilon.generation.metrics import Metrics
from aquilon.generation.prompts import check_token_ids, encode_to_fit, too_long
from aquilon.money.settlement import Charge
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.people.secrets import new_id
from aquilon.request import ChatPrompt, Event, FillPrompt, Finished, GenerationRequest, ScoredToken, Started
from aquilon.text.tokenizer import Tokenizer

_RETRY_AFTER = 5
"""Seconds to ask a client to wait if nothing better is known."""
_BATCH_PRIORITY = -1
_CONTINUED = 1024
"""Tokens after a text whose request sets no limit: models rarely end a text by themselves, as they do an answer."""


class LocalModels:
    """Prepares requests for the engine. Raises only ApiError."""

    def __init__(
        self,
        engine: Engine,
        catalogue: Catalogue,
        *,
        texts: TextModels,
        metrics: Metrics,
        max_waiting: int,
        default_max_tokens: int | None = None,
    ) -> None:
        """``default_max_tokens``: see `Settings.default_max_tokens`."""
        self.engine = engine
        self.metrics = metrics
        self._catalogue = catalogue
        self._texts = texts
        self._max_waiting = max_waiting
        self._default_max_tokens = default_max_tokens
        self._constraints = Constraints()
        self.unfinished = 0
        """Sequences that were admitted and have not ended."""

    async def text(self, model: str, principal: Principal) -> tuple[LocalModel, LoadedText]:
        """The local model with this name or alias, with its tokenizer. Raises ApiError."""
        await self._catalogue.refresh()
        card = self._catalogue.card(model, principal)
        require_generation(principal, card.name, model)
        if not isinstance(card, LocalModel):
            raise invalid(
                f"The tokenizer of '{card.name}' isn't on this server: {card.provider} computes its answers",
                param="model",
                code="no_tokenizer",
            )
        return card, await self._text(card)

    def context(self, card: LocalModel, loaded: LoadedText) -> int:
        """Tokens that prompt and answer may have together: the engine's limit, or the model's if it isn't loaded."""
        state = self.engine.states.get(card.name)
        return (state.max_context if state is not None else 0) or loaded.max_context

    async def prepare(
        self, request: GenerationRequest, card: LocalModel, principal: Principal, *, patient: bool = True
    ) -> LocalSequence:
        """``patient``: wait for an engine that restarts.

        Raises ApiError: 400 for a request that can't be answered, 500 if the model's files
        are damaged, 503 if too many requests wait.
        """
        _require_possible(request.upstream_fields)
        if self.unfinished + request.n > self._max_waiting:
            raise overloaded("Too many requests are waiting; try again in a moment", retry_after=_RETRY_AFTER)
        if not patient and self.engine.restarting(card.name):
            raise overloaded("The engine is being restarted; try again in a moment", retry_after=_RETRY_AFTER)
        loaded = await self._text(card)
        context = self.context(card, loaded)
        sampling = request.sampling
        max_tokens = sampling.max_tokens
        prompt_ids = await encode_to_fit(
            request.prompt,
            card,
            loaded,
            context=context,
            max_tokens=None if request.fits_context else max_tokens,
            cut=request.cut,
        )
        if request.fits_context and max_tokens:
            max_tokens = min(max_tokens, max(1, context - len(prompt_ids)))
            sampling = msgspec.structs.replace(sampling, max_tokens=max_tokens)
            request = msgspec.structs.replace(request, sampling=sampling)
        if (len(prompt_ids) >= context and max_tokens != 0) or len(prompt_ids) + (max_tokens or 0) > context:
            raise too_long(prompt_tokens=len(prompt_ids), max_tokens=max_tokens, context=context)
        if max_tokens is not None and sampling.min_tokens > max_tokens:
            raise invalid(
                f"min_tokens is {sampling.min_tokens}, more than max_tokens, {max_tokens}",
                param="min_tokens",
                code="min_tokens_too_high",
            )
        room = context - len(prompt_ids)
        answer_tokens = most_tokens(request, room=room, default=self._default_max_tokens)
        check_token_ids(list(sampling.logit_bias), loaded, param="logit_bias")
        for name in ("stop_token_ids", "allowed_token_ids", "logprob_token_ids"):
            check_token_ids(getattr(sampling, name), loaded, param=name)
        temperature = request.temperature
        if temperature is None:
            default = loaded.default_temperature if card.default_temperature is None else card.default_temperature
            temperature = default if isinstance(request.prompt, ChatPrompt) else 1.0
        grammar = await self._constraints.grammar(request, loaded.text, prompt_ids)
        if isinstance(request.prompt, FillPrompt) and loaded.text.fill is not None:
            ends = (*sampling.stop_token_ids, *loaded.text.fill.end_ids)
            sampling = msgspec.structs.replace(sampling, stop_token_ids=ends)
        if request.bad_words:
            sequences = await asyncio.to_thread(_spellings, request.bad_words, loaded.text.tokenizer)
            sampling = msgspec.structs.replace(sampling, bad_sequences=sequences)
        sequence = SequenceRequest(
            id=new_id("seq"),
            model=card.name,
            prompt_ids=prompt_ids,
            sampling=msgspec.structs.replace(sampling, temperature=temperature, max_tokens=answer_tokens),
            n=request.n,
            cache_salt=principal.organization_id,
            grammar=grammar,
            grammar_prefix="" if grammar is None else request.prefix,
            priority=_BATCH_PRIORITY if request.batch else 0,
        )
        return LocalSequence(
            backend=self,
            card=card,
            loaded=loaded,
            sequence=sequence,
            request=request,
            most_tokens=answer_tokens,
        )

    async def _text(self, card: LocalModel) -> LoadedText:
        try:
            return await self._texts.get(card)
        except (ValueError, OSError) as error:
            raise server_error(
                f"The model '{card.name}' can't be used: {error}", code="model_unusable", values={"name": card.name}
            ) from error


def most_tokens(request: GenerationRequest, *, room: int, default: int | None) -> int:
    """The most tokens of each answer: the client's limit, or the server's within the ``room`` after the prompt.

    ``default``: see `Settings.default_max_tokens`.
    """
    sampling = request.sampling
    if sampling.max_tokens is not None:
        return sampling.max_tokens
    if default is None and isinstance(request.prompt, ChatPrompt):
        return room
    return min(room, max(_CONTINUED if default is None else default, sampling.min_tokens))


@dataclass(frozen=True, kw_only=True)
class LocalSequence:
    """A `generation.prepared.Prepared` for the engine: its prompt is encoded and fits the model."""

    backend: LocalModels
    card: LocalModel
    loaded: LoadedText
    sequence: SequenceRequest
    request: GenerationRequest
    most_tokens: int

    @property
    def model(self) -> str:
        return self.card.name

    @property
    def n(self) -> int:
        return self.sequence.n

    @property
    def prompt_tokens(self) -> int:
        return len(self.sequence.prompt_ids)

    async def stream(self, position: int, charge: Charge) -> AsyncGenerator[Event]:
        card, sequence, backend = self.card, self.sequence, self.backend
        tokenizer = self.loaded.text.tokenizer
        readings = [reading_of(self.request, self.loaded.text, sequence.prompt_ids) for _ in range(sequence.n)]
        decodings = [
            Decoding(
                tokenizer,
                sequence.prompt_ids,
                index=position * sequence.n + index,
                stop=self.request.stop,
                reading=reading,
                prefix=repeated(self.request, reading),
                shows_stop=self.request.shows_stop,
                shows_control=self.request.shows_control,
                returns_ids=self.request.returns_ids,
            )
            for index, reading in enumerate(readings)
        ]
        measure = backend.metrics.measure(card.name, n=sequence.n, prompt_tokens=len(sequence.prompt_ids))
        started = False
        backend.unfinished += sequence.n
        try:
            backend.engine.register(card.name, card.path)
            async with aclosing(backend.engine.generate(sequence)) as outputs:
                async for output in outputs:
                    if not started:
                        started = True
                        charge.computed(len(sequence.prompt_ids), output.cached_tokens)
                        scores = None
                        if output.prompt_logprobs is not None:
                            scores = await asyncio.to_thread(_scored_prompt, tokenizer, output.prompt_logprobs)
                        yield Started(
                            position,
                            scores,
                            tuple(sequence.prompt_ids) if self.request.returns_ids else None,
                            prompt_tokens=len(sequence.prompt_ids),
                            cached_tokens=output.cached_tokens,
                        )
                    decoding = decodings[output.index]
                    if decoding.finished:
                        continue
                    measure.tokens(output.index, len(output.token_ids))
                    if output.finish_reason == "cancelled":
                        raise overloaded("The request was cancelled by the server", retry_after=_RETRY_AFTER)
                    paid_output = _cut(output, await charge.grant(len(output.token_ids)))
                    tokens_before = decoding.completion_tokens
                    events = decoding.add(paid_output)
                    charge.generated(decoding.completion_tokens - tokens_before)
                    for event in events:
                        if isinstance(event, Finished):
                            measure.finished(event.reason)
                        yield event
                    if decoding.stopped_early or paid_output is not output:
                        backend.engine.cancel(sequence.id, output.index)
                    if all(decoding.finished for decoding in decodings):
                        break
            charge.reasoning_tokens += sum(decoding.reasoning_tokens for decoding in decodings)
        except EngineError as error:
            measure.finished("error")
            raise _api_error(error) from error
        finally:
            backend.unfinished -= sequence.n
            measure.close()


def _require_possible(fields: Mapping[str, Any]) -> None:
    """Raises ApiError 400 for what would change the answer's kind, or keep it back, and only an upstream does."""
    match fields.get("modalities"):
        case [*modalities] if "audio" in modalities:
            raise unsupported("An answer as audio is", param="modalities")
    match fields.get("moderation"):
        case {"policy": {"input": {"mode": "block"}} | {"output": {"mode": "block"}}}:
            raise unsupported("A moderation that blocks is", param="moderation")


def _scored_prompt(tokenizer: Tokenizer, logprobs: Sequence[TokenLogprobs | None]) -> tuple[ScoredToken | None, ...]:
    return tuple(None if entry is None else scored(tokenizer, entry) for entry in logprobs)


def _spellings(words: Sequence[str], tokenizer: Tokenizer) -> tuple[tuple[int, ...], ...]:
    """The usual tokens of each word, within a text and at its beginning."""
    texts = dict.fromkeys(text for word in words for text in (word, " " + word.lstrip()))
    ids = (tuple(tokenizer.encode(text, add_special=False)) for text in texts)
    return tuple(dict.fromkeys(filter(None, ids)))


def _cut(output: SequenceOutput, tokens: int) -> SequenceOutput:
    """The first ``tokens`` of an output; if that isn't all, it ends there with the reason ``length``."""
    if tokens == len(output.token_ids):
        return output
    logprobs = None if output.logprobs is None else output.logprobs[:tokens]
    return msgspec.structs.replace(
        output, token_ids=output.token_ids[:tokens], finish_reason="length", logprobs=logprobs
    )


def _api_error(error: EngineError) -> ApiError:
    if error.kind == "invalid":
        return invalid(error.message, code="engine_refused")
    if error.kind in ("overloaded", "unavailable"):
        return overloaded(error.message, retry_after=_RETRY_AFTER)
    if error.kind == "stopping":
        return server_stopping()
    return server_error(error.message, code="engine_failed")
