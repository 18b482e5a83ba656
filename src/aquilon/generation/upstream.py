"""Generation by upstreams: chosen by weight and health, metered like local models."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from aquilon.errors import ApiError, invalid, overloaded
from aquilon.generation.metrics import Metrics
from aquilon.generation.prepared import Bounded
from aquilon.generation.prompts import CHARACTERS_A_TOKEN, characters, too_long
from aquilon.log import get_logger
from aquilon.money.settlement import Charge
from aquilon.people.identity import Principal
from aquilon.request import ChatPrompt, Delta, Drawn, Event, FillPrompt, Finished, GenerationRequest, Started
from aquilon.text.messages import ImagePart
from aquilon.upstreams.counting import Tally, prompt_size
from aquilon.upstreams.failures import UpstreamFailure
from aquilon.upstreams.messages_requests import DEFAULT_MAX_TOKENS
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.upstreams.requests import body_of, path_of, repeated_prefix
from aquilon.upstreams.routing import Target, in_turn

if TYPE_CHECKING:
    from aquilon.upstreams.answer import UpstreamAnswer

_OPENAI = "api.openai.com"
"""OpenAI shows no thoughts, and refuses messages with fields that it doesn't know."""

log = get_logger("aquilon.upstreams")


class UpstreamModels:
    """Prepares requests for upstreams. Raises only ApiError."""

    def __init__(self, registry: UpstreamRegistry, metrics: Metrics, default_max_tokens: int | None = None) -> None:
        """``default_max_tokens``: see `Settings.default_max_tokens`; None leaves it to the upstreams."""
        self._default_max_tokens = default_max_tokens
        self.registry = registry
        self.metrics = metrics
        self.unfinished = 0
        """Continuations that were admitted and have not ended."""

    async def prepare(
        self, request: GenerationRequest, card: UpstreamModel, principal: Principal, *, patient: bool = True
    ) -> UpstreamSequence:
        """Raises ApiError 400 if the model can't do what the request asks for."""
        _require_ability(request, card)
        least = characters(request.prompt) // CHARACTERS_A_TOKEN
        if request.fits_context:
            request = _shortened(request, card.max_context)
        max_tokens = request.sampling.max_tokens
        if max_tokens is None and self._default_max_tokens is not None:
            bound = max(self._default_max_tokens, request.sampling.min_tokens)
            sampling = msgspec.structs.replace(request.sampling, max_tokens=min(bound, card.max_context))
            request = msgspec.structs.replace(request, sampling=sampling)
        if least > card.max_context or (max_tokens or 0) > card.max_context:
            raise too_long(prompt_tokens=least, max_tokens=max_tokens, context=card.max_context, at_least=True)
        return UpstreamSequence(card, request, self)

    async def begin(self, sequence: UpstreamSequence, offset: int) -> UpstreamAnswer:
        """The answer of the first of the model's upstreams that begins one. Raises ApiError."""
        model, first_error = sequence.model, None
        for target in in_turn(self.registry.targets(model)):
            try:
                return await self._ask(target, sequence, offset)
            except UpstreamFailure as failure:
                if not failure.elsewhere:
                    raise failure.answer from failure
                first_error = first_error or failure.answer
            except ApiError as refusal:  # this kind of upstream can't do it, another may
                first_error = first_error or refusal
        if first_error is not None:
            raise first_error
        raise paused(model, self.registry.targets(model))

    async def _ask(self, target: Target, sequence: UpstreamSequence, offset: int) -> UpstreamAnswer:
        from aquilon.upstreams.answer import UpstreamAnswer  # aiohttp is loaded only if needed

        request, upstream = sequence.request, target.upstream
        if upstream.kind == "anthropic" and request.sampling.max_tokens is None:
            sampling = msgspec.structs.replace(request.sampling, max_tokens=DEFAULT_MAX_TOKENS)
            request = _shortened(msgspec.structs.replace(request, sampling=sampling), target.model.max_context)
        reasoning = "reasoning" in target.model.capabilities
        thoughts = upstream.host != _OPENAI
        body = body_of(request, upstream.kind, target.model.remote, reasoning=reasoning, thoughts=thoughts)
        started_at = time.monotonic()
        try:
            answer = await UpstreamAnswer.open(
                target, path_of(request, upstream.kind), body, offset=offset, n=request.n, hops=request.hops
            )
        except UpstreamFailure as failure:
            note(self.metrics, target, failure)
            raise
        self.metrics.upstream_first_token.labels(upstream.name).observe(time.monotonic() - started_at)
        return answer


@dataclass(frozen=True)
class UpstreamSequence(Bounded):
    """A `generation.prepared.Prepared` for upstreams."""

    backend: UpstreamModels

    async def stream(self, position: int, charge: Charge) -> AsyncGenerator[Event]:
        backend = self.backend
        backend.unfinished += self.n
        try:
            answer = await backend.begin(self, position * self.n)
        except BaseException:
            backend.unfinished -= self.n
            raise
        outcome = "abandoned"
        measure = backend.metrics.measure(self.model, n=self.n, prompt_tokens=self.size.usual)
        metering = _Metering(self, charge)
        unfinished = {position * self.n + index for index in range(self.n)}
        try:
            charge.computed(self.size.usual, 0)
            returns_ids = self.request.returns_ids
            prompt_ids = answer.prompt_ids if returns_ids else None
            yield Started(position, prompt_ids=prompt_ids, prompt_tokens=self.size.usual)
            if prefix := repeated_prefix(self.request, answer.target.upstream.kind):
                for index in sorted(unfinished):
                    yield Delta(index, prefix)
            pieces = answer.first
            while pieces:
                for event, size in pieces:
                    if isinstance(event, Finished):
                        unfinished.discard(event.index)
                        measure.finished(event.reason)
                    elif isinstance(event, Drawn):
                        if not returns_ids:
                            continue
                    else:
                        tokens = metering.tally.add(size)
                        if (tokens and await charge.grant(tokens) < tokens) or metering.tally.too_long:
                            outcome = "length"
                            for index in sorted(unfinished):
                                measure.finished("length")
                                yield Finished(index, "length")
                            return
                        charge.generated(tokens)
                        measure.tokens(event.index - position * self.n, tokens)
                    yield event
                pieces = await answer.more()
            outcome = "completed"
            await metering.settle(answer)
        except UpstreamFailure as failure:
            outcome = "failed"
            measure.finished("error")
            note(backend.metrics, answer.target, failure)
            raise failure.answer from failure
        finally:
            backend.unfinished -= self.n
            answer.close()
            measure.close()
            if outcome != "failed":
                target = answer.target
                backend.metrics.upstream_requests.labels(target.upstream.name, target.model.name, outcome).inc()


class _Metering:
    """Charges the upstream's count of tokens if it can be true, else our own."""

    def __init__(self, sequence: UpstreamSequence, charge: Charge) -> None:
        self._sequence = sequence
        self._charge = charge
        self.tally = Tally(sequence.most_tokens * sequence.n)

    async def settle(self, answer: UpstreamAnswer) -> None:
        """Replace our count with the upstream's when the answer is complete."""
        sequence, charge, usage = self._sequence, self._charge, answer.usage
        if usage is None:
            return
        metrics, target = sequence.backend.metrics, answer.target
        tokens = usage.prompt_tokens
        if tokens is not None and 0 < tokens <= sequence.size.most:
            prompt_details = usage.prompt_tokens_details
            cached = (prompt_details.cached_tokens or 0) if prompt_details is not None else 0
            charge.computed(tokens - sequence.size.usual, min(max(cached, 0), tokens))
        elif tokens is not None:
            doubt(metrics, target, kind="prompt", reported=tokens, counted=sequence.size.usual)
        tokens = usage.completion_tokens
        if tokens is None:
            return
        details = usage.completion_tokens_details
        reasoning = (details.reasoning_tokens or 0) if details is not None else 0
        hidden = sequence.card.reasoning or bool(reasoning)
        if not self.tally.believes(tokens, n=sequence.n, hidden=hidden):
            doubt(metrics, target, kind="completion", reported=tokens, counted=self.tally.tokens)
            return
        charge.reasoning_tokens += min(max(reasoning, 0), tokens)
        if tokens <= self.tally.tokens:
            charge.generated(tokens - self.tally.tokens)
        else:
            charge.generated(await charge.grant(tokens - self.tally.tokens))


def note(metrics: Metrics, target: Target, failure: UpstreamFailure) -> None:
    """Count a failed attempt, and log it for the operator."""
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


def doubt(metrics: Metrics, target: Target, *, kind: str, reported: int, counted: int) -> None:
    """Count a reported number of ``kind`` tokens that can't be true, and log it for the operator."""
    upstream = target.upstream.name
    log.warning(
        "An upstream's usage can't be true: our own count is charged",
        upstream=upstream,
        tokens=kind,
        told=reported,
        counted=counted,
    )
    metrics.upstream_doubts.labels(upstream).inc()


def paused(model: str, targets: Sequence[Target]) -> ApiError:
    """The error while none of a model's upstreams may be asked."""
    waits = [target.health.seconds_left for target in targets]
    return overloaded(
        f"The upstreams of '{model}' failed just now and are given a pause; try again in a moment",
        retry_after=max(1, round(min(waits, default=1.0))),
        code="upstream_unavailable",
        values={"name": model},
    )


def _shortened(request: GenerationRequest, context: int) -> GenerationRequest:
    """The request with as many ``max_tokens`` as the context holds beside the prompt, which is only estimated: by half
    more than usual, as in code and in some languages."""
    max_tokens, prompt_tokens = request.sampling.max_tokens, prompt_size(request).usual * 3 // 2
    if max_tokens is None or prompt_tokens + max_tokens <= context:
        return request
    sampling = msgspec.structs.replace(request.sampling, max_tokens=max(1, context - prompt_tokens))
    return msgspec.structs.replace(request, sampling=sampling)


def _require_ability(request: GenerationRequest, card: UpstreamModel) -> None:
    prompt = request.prompt
    if isinstance(prompt, ChatPrompt):
        if not card.chat:
            raise invalid(
                f"The model '{card.name}' can't answer chats",
                param="model",
                code="not_a_chat_model",
                values={"name": card.name},
            )
        if prompt.tool_use is not None and not card.function_calling:
            raise invalid(
                f"The model '{card.name}' can't call functions",
                param="tools",
                code="no_function_calling",
                values={"name": card.name},
            )
        if not card.vision and any(
            isinstance(part, ImagePart) for message in prompt.messages for part in message.parts
        ):
            raise invalid(
                f"The model '{card.name}' can't see images",
                param="messages",
                code="no_vision",
                values={"name": card.name},
            )
    elif isinstance(prompt, FillPrompt):
        if not card.fim:
            raise invalid(f"The model '{card.name}' can't fill a gap in a text", param="model", code="not_a_fim_model")
    elif not card.completions:
        raise invalid(
            f"The model '{card.name}' can't continue a text: ask /v1/chat/completions",
            param="model",
            code="not_a_completion_model",
        )
