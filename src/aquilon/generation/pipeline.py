"""A generation from admission to its last event, whichever backend computes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import aclosing

import msgspec

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.errors import invalid
from aquilon.generation.fallbacks import Backend, Fallbacks
from aquilon.generation.merging import merged
from aquilon.generation.moderation import Moderation
from aquilon.generation.prepared import Prepared
from aquilon.money.settlement import Charge, Settlement
from aquilon.money.usage_event import Outcome
from aquilon.money.usage_writer import Also
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.request import Delta, Event, GenerationRequest, ToolCallDelta


class Pipeline:
    """``prepare`` a request's prompts, then ``answer`` them. Both raise only ApiError."""

    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        backends: Mapping[type[ModelCard], Backend],
        *,
        moderation: Moderation | None = None,
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``backends`` by the kind of the model's card; ``fallbacks`` gives the names of a model's fall-backs."""
        self._catalogue = catalogue
        self._settlement = settlement
        self._moderation = moderation
        self._backends = backends
        self._fallbacks = Fallbacks(fallbacks, catalogue, backends)

    async def prepare(self, request: GenerationRequest, principal: Principal) -> Prepared:
        """Raises ApiError.

        404 for an unknown model, 410 for a retired one, 403 for one that the caller may not use, 400 for a request
        that can't be answered, 503 if too many requests wait.
        """
        await self._catalogue.refresh()
        card = self._catalogue.card(request.model, principal)
        require_generation(principal, card.name, request.model)
        backend = self._backends.get(type(card))
        if backend is None:
            raise invalid(
                f"The model '{card.name}' generates no text: ask /v1/embeddings",
                param="model",
                code="not_a_generation_model",
                values={"name": card.name},
            )
        if principal.batch_line is not None or principal.hops:
            request = msgspec.structs.replace(request, batch=principal.batch_line is not None, hops=principal.hops)
        if self._moderation is not None:
            await self._moderation.require_clean(request.prompt)
        if self._fallbacks.of(card.name, request, principal):
            return await self._fallbacks.prepare(backend, request, card=card, principal=principal)
        return await backend.prepare(request, card, principal)

    async def answer(
        self,
        prepared: Sequence[Prepared],
        principal: Principal,
        *,
        request_id: str,
        headers: MutableMapping[str, str] | None = None,
        streamed: bool = False,
        is_message: bool = True,
        opened: Callable[[Charge], Awaitable[Also]] | None = None,
    ) -> AsyncGenerator[Event]:
        """Each prompt's Started, deltas, one Finished for each continuation; at the end the Usage of all together.

        The Usage comes when the request's usage event is committed. Closing the
        iterator cancels the work; the tokens generated until then are recorded.
        Continuations are numbered prompt by prompt, ``n`` for each. The answer's headers
        are added to ``headers`` before the first event. ``streamed``: the client gets each
        event as it comes, and has it when the next one is requested. An answer that is
        sent as a whole delivers nothing before its end, and costs nothing if it fails.
        ``is_message``: whether a person's quota of messages counts it. ``opened`` is called with the charge before the
        first event; what it returns is written with the usage event.
        """
        charge = await self.admit(prepared, principal, request_id=request_id, headers=headers, is_message=is_message)
        outcome: Outcome = "cancelled"
        also: Also | None = None
        try:
            if opened is not None:
                also = await opened(charge)
            async with aclosing(self.generate(prepared, principal, charge)) as events:
                async for event in events:
                    tokens = charge.completion_tokens
                    yield event
                    if streamed and isinstance(event, (Delta, ToolCallDelta)):
                        charge.delivered(tokens)
            await charge.complete(also)
            yield charge.usage
        except Exception as error:
            outcome = "failed"
            charge.failed(error)
            raise
        finally:
            charge.close(outcome, also)

    async def admit(
        self,
        prepared: Sequence[Prepared],
        principal: Principal,
        *,
        request_id: str,
        headers: MutableMapping[str, str] | None = None,
        is_message: bool = True,
    ) -> Charge:
        """The first half of ``answer``, for a caller that ends the `Charge` itself. Raises ApiError."""
        return await self._settlement.open(
            principal,
            request_id,
            prepared[0].model,
            prompt_tokens=sum(prompt.prompt_tokens for prompt in prepared),
            completion_tokens=sum(prompt.most_tokens * prompt.n for prompt in prepared),
            headers=headers,
            message=is_message,
        )

    def generate(self, prepared: Sequence[Prepared], principal: Principal, charge: Charge) -> AsyncGenerator[Event]:
        """The second half of ``answer``: its events but for the Usage. Raises ApiError."""
        return merged(
            [
                self._stream(prompt, principal=principal, position=position, charge=charge)
                for position, prompt in enumerate(prepared)
            ]
        )

    def _stream(
        self, prepared: Prepared, *, principal: Principal, position: int, charge: Charge
    ) -> AsyncGenerator[Event]:
        names = self._fallbacks.of(prepared.model, prepared.request, principal)
        if names:
            return self._fallbacks.stream(prepared, names, principal=principal, position=position, charge=charge)
        return prepared.stream(position, charge)
