"""An embedding request from admission to its usage event, whoever computes it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from aquilon.platform.catalogue import Catalogue, ModelCard
from aquilon.platform.domain.embeddings import Embedded, EmbeddingRequest
from aquilon.platform.domain.errors import invalid
from aquilon.platform.domain.identity import Principal
from aquilon.platform.domain.metering import Outcome
from aquilon.platform.domain.permissions import require_generation
from aquilon.platform.generation.settlement import Settlement


class EmbeddingHouse(Protocol):
    """Whoever embeds for one kind of model. Both methods raise ApiError."""

    async def count(self, request: EmbeddingRequest, card: Any) -> int:
        """The tokens of all inputs, or more: what is paid at most."""

    async def embed(self, request: EmbeddingRequest, card: Any) -> Embedded:
        """A vector for each input, of ``request.dimensions`` where that is given."""


@dataclass(frozen=True)
class Embeddings:
    model: str
    """The model's own name."""
    embedded: Embedded


class EmbeddingPipeline:
    def __init__(
        self, catalogue: Catalogue, settlement: Settlement, houses: Mapping[type[ModelCard], EmbeddingHouse]
    ) -> None:
        """``houses``: who embeds, by the kind of the model's card."""
        self._catalogue = catalogue
        self._settlement = settlement
        self._houses = houses

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
        house = self._houses.get(type(card))
        if house is None or not card.embeddings:
            raise invalid(
                f"The model '{card.name}' makes no embeddings: it generates text",
                param="model",
                code="not_an_embedding_model",
            )
        if told is not None:
            told.update(self._catalogue.notices(card.name))
        most = await house.count(request, card)
        account = await self._settlement.open(
            principal, request_id, card.name, prompt_tokens=most, completion_tokens=0, told=told
        )
        outcome: Outcome = "cancelled"
        try:
            embedded = await house.embed(request, card)
            account.computed(embedded.tokens, 0)
            await account.complete()
        except Exception:
            outcome = "failed"
            raise
        finally:
            account.close(outcome)
        return Embeddings(card.name, embedded)
