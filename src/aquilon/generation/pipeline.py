"""A generation from admission to its last event, whoever computes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping, Sequence
from contextlib import aclosing

import msgspec

from aquilon.catalogue.catalogue import Catalogue, ModelCard
from aquilon.errors import invalid
from aquilon.generation.fallbacks import Fallbacks, House
from aquilon.generation.merging import merged
from aquilon.generation.moderation import Moderation
from aquilon.generation.prepared import Prepared
from aquilon.money.settlement import Account, Settlement
from aquilon.money.usage_event import Outcome
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.request import Event, GenerationRequest


class Pipeline:
    """``prepare`` a request's prompts, then ``answer`` them. Both raise ApiError alone."""

    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        houses: Mapping[type[ModelCard], House],
        moderation: Moderation | None = None,
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``houses``: who answers, by the kind of the model's card; ``fallbacks``: who does in a model's place."""
        self._catalogue = catalogue
        self._settlement = settlement
        self._moderation = moderation
        self._houses = houses
        self._fallbacks = Fallbacks(fallbacks, catalogue, houses)

    async def prepare(self, request: GenerationRequest, principal: Principal) -> Prepared:
        """Raises ApiError.

        404 for an unknown model, 410 for a retired one, 403 for one that isn't the caller's to use, 400 for
        what can't be answered, 503 when too many wait.
        """
        await self._catalogue.refresh()
        card = self._catalogue.card(request.model, principal)
        require_generation(principal, card.name, request.model)
        house = self._houses.get(type(card))
        if house is None:
            raise invalid(
                f"The model '{card.name}' generates no text: ask /v1/embeddings",
                param="model",
                code="not_a_generation_model",
            )
        if principal.batch_line is not None or principal.hops:
            request = msgspec.structs.replace(request, batch=principal.batch_line is not None, hops=principal.hops)
        if self._moderation is not None:
            await self._moderation.require_clean(request.prompt)
        if self._fallbacks.of(card.name, request, principal):
            return await self._fallbacks.prepare(house, request, card, principal)
        return await house.prepare(request, card, principal)

    async def answer(
        self,
        prepared: Sequence[Prepared],
        principal: Principal,
        request_id: str,
        told: MutableMapping[str, str] | None = None,
    ) -> AsyncGenerator[Event]:
        """Each prompt's Started, deltas, one Finished for each continuation; in the end the Usage of them together.

        The Usage comes when the request's usage event is committed. Closing the
        iterator cancels the work; what was generated until then is on record all the
        same. Continuations are counted through: prompt by prompt, ``n`` each. ``told``
        gets the headers that the answer has, before the first event.
        """
        if told is not None:
            told.update(self._catalogue.notices(prepared[0].model))
        account = await self._settlement.open(
            principal,
            request_id,
            prepared[0].model,
            prompt_tokens=sum(one.prompt_tokens for one in prepared),
            completion_tokens=sum(one.most_tokens * one.n for one in prepared),
            told=told,
        )
        outcome: Outcome = "cancelled"
        try:
            generations = [self._stream(one, principal, position, account) for position, one in enumerate(prepared)]
            async with aclosing(merged(generations)) as events:
                async for event in events:
                    yield event
            await account.complete()
            yield account.usage
        except Exception:
            outcome = "failed"
            raise
        finally:
            account.close(outcome)

    def _stream(
        self, prepared: Prepared, principal: Principal, position: int, account: Account
    ) -> AsyncGenerator[Event]:
        names = self._fallbacks.of(prepared.model, prepared.request, principal)
        if names:
            return self._fallbacks.stream(prepared, names, principal, position, account)
        return prepared.stream(position, account)
