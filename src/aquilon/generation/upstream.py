"""Models that upstreams compute: asked by weight and health, metered like our own."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from aquilon.errors import ApiError, invalid, overloaded
from aquilon.generation.metrics import Metrics
from aquilon.generation.prepared import Bounded
from aquilon.generation.prompts import CHARACTERS_A_TOKEN, characters, too_long
from aquilon.money.settlement import Account
from aquilon.people.identity import Principal
from aquilon.request import ChatPrompt, Event, FillPrompt, Finished, GenerationRequest, Started
from aquilon.text.messages import ImagePart
from aquilon.upstreams.counting import Tally
from aquilon.upstreams.failures import UpstreamFailure
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.upstreams.requests import body_of, path_of
from aquilon.upstreams.routing import Target, in_turn

if TYPE_CHECKING:
    from aquilon.upstreams.answer import UpstreamAnswer

log = structlog.get_logger("aquilon.upstreams")


class UpstreamModels:
    """Prepares requests for upstreams. Raises ApiError alone."""

    def __init__(self, registry: UpstreamRegistry, metrics: Metrics) -> None:
        self.registry = registry
        self.metrics = metrics
        self.unfinished = 0
        """Continuations that were admitted and have not ended."""

    async def prepare(
        self, request: GenerationRequest, card: UpstreamModel, principal: Principal, *, patient: bool = True
    ) -> UpstreamSequence:
        """Raises ApiError 400 for what the model can't be asked."""
        _require_ability(request, card)
        least = characters(request.prompt) // CHARACTERS_A_TOKEN
        wanted = request.sampling.max_tokens
        if least > card.max_context or (wanted or 0) > card.max_context:
            raise too_long(prompt_tokens=least, max_tokens=wanted, context=card.max_context, at_least=True)
        return UpstreamSequence(card, request, self)

    async def begin(self, sequence: UpstreamSequence, offset: int) -> UpstreamAnswer:
        """The first answer of the model's upstreams that begins. Raises ApiError."""
        model, failed = sequence.model, None
        for target in in_turn(self.registry.targets(model)):
            try:
                return await self._ask(target, sequence, offset)
            except UpstreamFailure as failure:
                if not failure.elsewhere:
                    raise failure.answer from failure
                failed = failed or failure.answer
            except ApiError as refused:  # this kind of upstream can't be asked it, another may
                failed = failed or refused
        if failed is not None:
            raise failed
        raise paused(model, self.registry.targets(model))

    async def _ask(self, target: Target, sequence: UpstreamSequence, offset: int) -> UpstreamAnswer:
        from aquilon.upstreams.answer import UpstreamAnswer  # aiohttp: only where there are upstreams

        request, upstream = sequence.request, target.upstream
        reasoning = "reasoning" in target.model.capabilities
        body = body_of(request, upstream.kind, target.model.remote, reasoning=reasoning)
        begun = time.monotonic()
        try:
            answer = await UpstreamAnswer.open(
                target, path_of(request, upstream.kind), body, offset=offset, n=request.n, hops=request.hops
            )
        except UpstreamFailure as failure:
            note(self.metrics, target, failure)
            raise
        self.metrics.upstream_first_token.labels(upstream.name).observe(time.monotonic() - begun)
        return answer


@dataclass(frozen=True)
class UpstreamSequence(Bounded):
    """A `generation.prepared.Prepared` for upstreams."""

    house: UpstreamModels

    async def stream(self, position: int, account: Account) -> AsyncGenerator[Event]:
        house = self.house
        house.unfinished += self.n
        try:
            answer = await house.begin(self, position * self.n)
        except BaseException:
            house.unfinished -= self.n
            raise
        outcome = "abandoned"
        measure = house.metrics.measure(self.model, n=self.n, prompt_tokens=self.size.usual)
        metering = _Metering(self, account)
        open_ = {position * self.n + index for index in range(self.n)}
        try:
            account.computed(self.size.usual, 0)
            yield Started(position)
            pieces = answer.first
            while pieces:
                for event, size in pieces:
                    if isinstance(event, Finished):
                        open_.discard(event.index)
                        measure.finished(event.reason)
                    else:
                        tokens = metering.tally.add(size)
                        if (tokens and await account.grant(tokens) < tokens) or metering.tally.too_long:
                            outcome = "length"
                            for index in sorted(open_):
                                measure.finished("length")
                                yield Finished(index, "length")
                            return
                        account.generated(tokens)
                        measure.tokens(event.index - position * self.n, tokens)
                    yield event
                pieces = await answer.more()
            outcome = "completed"
            await metering.settle(answer)
        except UpstreamFailure as failure:
            outcome = "failed"
            measure.finished("error")
            note(house.metrics, answer.target, failure)
            raise failure.answer from failure
        finally:
            house.unfinished -= self.n
            answer.close()
            measure.close()
            if outcome != "failed":
                target = answer.target
                house.metrics.upstream_requests.labels(target.upstream.name, target.model.name, outcome).inc()


class _Metering:
    """What is paid: the upstream's count where it can be true, else our own."""

    def __init__(self, sequence: UpstreamSequence, account: Account) -> None:
        self._sequence = sequence
        self._account = account
        self.tally = Tally(sequence.most_tokens * sequence.n)

    async def settle(self, answer: UpstreamAnswer) -> None:
        """The answer is whole: put the upstream's count in place of ours."""
        sequence, account, usage = self._sequence, self._account, answer.usage
        if usage is None:
            return
        told = usage.prompt_tokens
        if told is not None and 0 < told <= sequence.size.most:
            details = usage.prompt_tokens_details
            cached = (details.cached_tokens or 0) if details is not None else 0
            account.computed(told - sequence.size.usual, min(max(cached, 0), told))
        elif told is not None:
            doubt(sequence.house.metrics, answer.target, "prompt", told, sequence.size.usual)
        told = usage.completion_tokens
        if told is None:
            return
        extra = usage.completion_tokens_details
        reasoned = (extra.reasoning_tokens or 0) if extra is not None else 0
        hidden = sequence.card.reasoning or bool(reasoned)
        if not self.tally.believes(told, n=sequence.n, hidden=hidden):
            doubt(sequence.house.metrics, answer.target, "completion", told, self.tally.tokens)
            return
        account.reasoning_tokens += min(max(reasoned, 0), told)
        if told <= self.tally.tokens:
            account.generated(told - self.tally.tokens)
        else:
            account.generated(await account.grant(told - self.tally.tokens))


def note(metrics: Metrics, target: Target, failure: UpstreamFailure) -> None:
    """Tell the operator of a failed attempt."""
    outcome = "failed" if failure.elsewhere else "refused"
    metrics.upstream_requests.labels(target.upstream.name, target.model.name, outcome).inc()
    if failure.elsewhere:
        log.warning(
            "An upstream failed",
            upstream=target.upstream.name,
            model=target.model.name,
            reason=str(failure),
            circuit=target.health.state,
        )


def doubt(metrics: Metrics, target: Target, what: str, told: int, ours: int) -> None:
    """Tell the operator of a count of ``what`` tokens that can't be true."""
    upstream = target.upstream.name
    log.warning(
        "An upstream's usage can't be true: ours counts", upstream=upstream, tokens=what, told=told, counted=ours
    )
    metrics.upstream_doubts.labels(upstream).inc()


def paused(model: str, targets: Sequence[Target]) -> ApiError:
    """Nobody may be asked now."""
    waits = [target.health.seconds_left for target in targets]
    return overloaded(
        f"The upstreams of '{model}' failed just now and are given a pause; try again in a moment",
        retry_after=max(1, round(min(waits, default=1.0))),
        code="upstream_unavailable",
    )


def _require_ability(request: GenerationRequest, card: UpstreamModel) -> None:
    prompt = request.prompt
    if isinstance(prompt, ChatPrompt):
        if not card.chat:
            raise invalid(f"The model '{card.name}' answers no conversations", param="model", code="not_a_chat_model")
        if prompt.tool_use is not None and not card.function_calling:
            raise invalid(f"The model '{card.name}' can't call functions", param="tools", code="no_function_calling")
        if not card.vision and any(
            isinstance(part, ImagePart) for message in prompt.messages for part in message.parts
        ):
            raise invalid(f"The model '{card.name}' can't see images", param="messages", code="no_vision")
    elif isinstance(prompt, FillPrompt):
        if not card.fim:
            raise invalid(f"The model '{card.name}' can't fill a gap in a text", param="model", code="not_a_fim_model")
    elif not card.completions:
        raise invalid(
            f"The model '{card.name}' continues no text: ask /v1/chat/completions",
            param="model",
            code="not_a_completion_model",
        )
