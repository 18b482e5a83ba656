"""Models that the engine on this machine computes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from aquilon.catalogue.catalogue import Catalogue, LoadedText, LocalModel
from aquilon.engine.client import Engine, EngineError
from aquilon.engine.protocol import SequenceOutput, SequenceRequest
from aquilon.errors import ApiError, invalid, overloaded, server_error
from aquilon.generation.constraints import Constraints
from aquilon.generation.decoding import Decoding, reading_of, repeated, scored
from aquilon.generation.metrics import Metrics
from aquilon.generation.prompts import check_token_ids, encode_to_fit, too_long
from aquilon.money.settlement import Account
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.people.secrets import new_id
from aquilon.request import ChatPrompt, Event, FillPrompt, Finished, GenerationRequest, Started

_RETRY_AFTER = 5
"""Seconds that a client is asked to wait where nothing better is known."""
_BATCH_PRIORITY = -1


class LocalModels:
    """Prepares requests for the engine. Raises ApiError alone."""

    def __init__(self, engine: Engine, catalogue: Catalogue, metrics: Metrics, *, max_waiting: int) -> None:
        self.engine = engine
        self.metrics = metrics
        self._catalogue = catalogue
        self._max_waiting = max_waiting
        self._constraints = Constraints()
        self.unfinished = 0
        """Sequences that have been admitted and have not ended."""

    async def text(self, model: str, principal: Principal) -> tuple[LocalModel, LoadedText]:
        """The model that a name stands for, with its tokenizer. Raises ApiError."""
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
        """Tokens that prompt and answer may have together: what the engine has room for, else the model's own."""
        state = self.engine.states.get(card.name)
        return (state.max_context if state is not None else 0) or loaded.max_context

    async def prepare(
        self, request: GenerationRequest, card: LocalModel, principal: Principal, *, patient: bool = True
    ) -> LocalSequence:
        """``patient``: wait where the engine restarts.

        Raises ApiError: 400 for what can't be answered, 500 where the model's files are
        damaged, 503 when too many wait.
        """
        if self.unfinished + request.n > self._max_waiting:
            raise overloaded("Too many requests are waiting; try again in a moment", retry_after=_RETRY_AFTER)
        if not patient and self.engine.restarting(card.name):
            raise overloaded("The engine is being restarted; try again in a moment", retry_after=_RETRY_AFTER)
        loaded = await self._text(card)
        context = self.context(card, loaded)
        prompt_ids = await encode_to_fit(request.prompt, card, loaded, context)
        sampling = request.sampling
        wanted = sampling.max_tokens
        if (len(prompt_ids) >= context and wanted != 0) or len(prompt_ids) + (wanted or 0) > context:
            raise too_long(prompt_tokens=len(prompt_ids), max_tokens=wanted, context=context)
        if wanted is not None and sampling.min_tokens > wanted:
            raise invalid(f"min_tokens is {sampling.min_tokens}, more than max_tokens, {wanted}", param="min_tokens")
        check_token_ids(list(sampling.logit_bias), loaded, param="logit_bias")
        check_token_ids(sampling.stop_token_ids, loaded, param="stop_token_ids")
        temperature = request.temperature
        if temperature is None:
            chat = loaded.default_temperature if card.default_temperature is None else card.default_temperature
            temperature = chat if isinstance(request.prompt, ChatPrompt) else 1.0
        grammar = await self._constraints.grammar(request, loaded.text, prompt_ids)
        if isinstance(request.prompt, FillPrompt) and loaded.text.fill is not None:
            ends = (*sampling.stop_token_ids, *loaded.text.fill.end_ids)
            sampling = msgspec.structs.replace(sampling, stop_token_ids=ends)
        sequence = SequenceRequest(
            id=new_id("seq"),
            model=card.name,
            prompt_ids=prompt_ids,
            sampling=msgspec.structs.replace(sampling, temperature=temperature),
            n=request.n,
            cache_salt=principal.organization_id,
            grammar=grammar,
            begun="" if grammar is None else request.begun,
            priority=_BATCH_PRIORITY if request.batch else 0,
        )
        most_tokens = context - len(prompt_ids) if wanted is None else wanted
        return LocalSequence(self, card, loaded, sequence, request, most_tokens)

    async def _text(self, card: LocalModel) -> LoadedText:
        try:
            return await self._catalogue.text(card)
        except (ValueError, OSError) as error:
            raise server_error(f"The model '{card.name}' can't be used: {error}", code="model_unusable") from error


@dataclass(frozen=True)
class LocalSequence:
    """A `generation.prepared.Prepared` for the engine: its prompt is encoded and fits the model."""

    house: LocalModels
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

    async def stream(self, position: int, account: Account) -> AsyncGenerator[Event]:
        card, sequence, house = self.card, self.sequence, self.house
        tokenizer = self.loaded.text.tokenizer
        readings = [reading_of(self.request, self.loaded.text, sequence.prompt_ids) for _ in range(sequence.n)]
        decodings = [
            Decoding(
                tokenizer,
                sequence.prompt_ids,
                self.request.stop,
                position * sequence.n + index,
                reading,
                repeated(self.request, reading),
            )
            for index, reading in enumerate(readings)
        ]
        measure = house.metrics.measure(card.name, n=sequence.n, prompt_tokens=len(sequence.prompt_ids))
        started = False
        house.unfinished += sequence.n
        try:
            house.engine.register(card.name, card.path)
            async with aclosing(house.engine.generate(sequence)) as outputs:
                async for output in outputs:
                    if not started:
                        started = True
                        account.computed(len(sequence.prompt_ids), output.cached_tokens)
                        logprobs = output.prompt_logprobs
                        scores = None
                        if logprobs is not None:
                            scores = tuple(None if entry is None else scored(tokenizer, entry) for entry in logprobs)
                        yield Started(position, scores)
                    decoding = decodings[output.index]
                    if decoding.finished:
                        continue
                    measure.tokens(output.index, len(output.token_ids))
                    if output.finish_reason == "cancelled":
                        raise overloaded("The request was cancelled by the server", retry_after=_RETRY_AFTER)
                    paid = _within(output, await account.grant(len(output.token_ids)))
                    before = decoding.completion_tokens
                    events = decoding.add(paid)
                    account.generated(decoding.completion_tokens - before)
                    for event in events:
                        if isinstance(event, Finished):
                            measure.finished(event.reason)
                        yield event
                    if decoding.stopped_early or paid is not output:
                        house.engine.cancel(sequence.id, output.index)
                    if all(decoding.finished for decoding in decodings):
                        break
            account.reasoning_tokens += sum(decoding.reasoning_tokens for decoding in decodings)
        except EngineError as error:
            measure.finished("error")
            raise _api_error(error) from error
        finally:
            house.unfinished -= sequence.n
            measure.close()


def _within(output: SequenceOutput, tokens: int) -> SequenceOutput:
    """The output as far as it is paid for; where that isn't all of it, it ends there for its length."""
    if tokens == len(output.token_ids):
        return output
    logprobs = None if output.logprobs is None else output.logprobs[:tokens]
    return msgspec.structs.replace(
        output, token_ids=output.token_ids[:tokens], finish_reason="length", logprobs=logprobs
    )


def _api_error(error: EngineError) -> ApiError:
    if error.kind == "invalid":
        return invalid(error.message)
    if error.kind in ("overloaded", "unavailable"):
        return overloaded(error.message, retry_after=_RETRY_AFTER)
    return server_error(error.message, code="engine_failed")
