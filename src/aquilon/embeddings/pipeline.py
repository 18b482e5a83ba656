"""An embedding request from admission to its usage event, whoever computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from aquilon.catalogue.catalogue import Catalogue, ModelCard
from aquilon.embeddings.request import Embedded, EmbeddingRequest
from aquilon.errors import ApiError, invalid
from aquilon.generation.fallbacks import may_fall_back
from aquilon.money.settlement import Settlement
from aquilon.money.usage_event import Outcome
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation

log = structlog.get_logger("aquilon.fallbacks")


class EmbeddingHouse(Protocol):
    """Whoever embeds for one kind of model. Both methods raise ApiError."""

    async def count(self, request: EmbeddingRequest, card: Any) -> int:
        """The tokens of all inputs, or more: what is paid at most."""

    async def embed(self, request: EmbeddingRequest, card: Any) -> Embedded:
        """A vector for each input, of ``request.dimensions`` where that is given."""


@dataclass(frozen=True)
class Embeddings:
    model: str
    """The own name of the model that embedded."""
    embedded: Embedded


class EmbeddingPipeline:
    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        houses: Mapping[type[ModelCard], EmbeddingHouse],
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``houses``: who embeds, by the kind of the model's card; ``fallbacks``: the models that do in its place."""
        self._catalogue = catalogue
        self._settlement = settlement
        self._houses = houses
        self._fallbacks = fallbacks

    async def answer(
        self,
        request: EmbeddingRequest,
        principal: Principal,
        request_id: str,
        told: MutableMapping[str, str] | None = None,
    ) -> Embeddings:
        """Returns when the request's usage event is committed. ``told`` gets the headers that the answer has.

        Raises ApiError: 404 for an unknown model, 410 for a retired one, 403 for one
        that isn't the caller's to use, 400 for what can't be embedded, 429 where it
        isn't admitted.
        """
        await self._catalogue.refresh()
        card = self._catalogue.embedding_card(request.model, principal)
        require_generation(principal, card.name, request.model)
        house = self._house(card)
        if house is None:
            raise invalid(
                f"The model '{card.name}' makes no embeddings: it generates text",
                param="model",
                code="not_an_embedding_model",
            )
        if principal.hops:
            request = replace(request, hops=principal.hops)
        if told is not None:
            told.update(self._catalogue.notices(card.name))
        names = () if request.token_ids or principal.hops else self._fallbacks(card.name)  # as of generations
        failed: ApiError | None = None
        try:
            most = await house.count(request, card)
        except ApiError as error:
            if not names or not may_fall_back(error):
                raise
            most, failed = request.most_tokens, error
        account = await self._settlement.open(
            principal, request_id, card.name, prompt_tokens=most, completion_tokens=0, told=told
        )
        outcome: Outcome = "cancelled"
        try:
            made = await self._first(house, card, request, names, principal, failed)
            account.computed(made.embedded.tokens, 0)
            await account.complete()
        except Exception:
            outcome = "failed"
            raise
        finally:
            account.close(outcome)
        return Embeddings(made.model, replace(made.embedded, tokens=account.prompt_tokens))

    async def _first(
        self,
        house: EmbeddingHouse,
        card: ModelCard,
        request: EmbeddingRequest,
        names: Sequence[str],
        principal: Principal,
        failed: ApiError | None,
    ) -> Embeddings:
        """Of the model and its fall-backs, the first that embeds. ``failed``: why the model itself can't."""
        if failed is None:
            try:
                return Embeddings(card.name, await house.embed(request, card))
            except ApiError as error:
                if not names or not may_fall_back(error):
                    raise
                failed = error
        for name in names:
            other = self._catalogue.get(name)
            if other is None or self._catalogue.is_retired(other) or (house_ := self._house(other)) is None:
                continue
            try:
                require_generation(principal, name)
                await house_.count(request, other)
                embedded = await house_.embed(request, other)
            except ApiError as error:
                log.warning("A fall-back can't answer", model=card.name, fallback=name, error=error.message)
            else:
                log.info("A fall-back answers", model=card.name, fallback=name)
                return Embeddings(name, embedded)
        raise failed

    def _house(self, card: ModelCard) -> EmbeddingHouse | None:
        return self._houses.get(type(card)) if card.embeddings else None
