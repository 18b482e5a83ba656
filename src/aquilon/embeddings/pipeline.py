"""An embedding request from admission to its usage event, whichever backend computes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings.request import Embedded, EmbeddingRequest
from aquilon.errors import ApiError, invalid
from aquilon.generation.fallbacks import may_fall_back
from aquilon.money.settlement import Settlement
from aquilon.money.usage_event import Outcome
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation

log = structlog.get_logger("aquilon.fallbacks")


class EmbeddingBackend(Protocol):
    """Embeds for one kind of model. Both methods raise ApiError."""

    async def count(self, request: EmbeddingRequest, card: Any) -> int:
        """The tokens of all inputs, or an upper bound: the request is charged for no more."""

    async def embed(self, request: EmbeddingRequest, card: Any) -> Embedded:
        """A vector for each input, with ``request.dimensions`` if the request has them."""


@dataclass(frozen=True)
class Embeddings:
    model: str
    """The name of the model that embedded, not an alias."""
    embedded: Embedded


class EmbeddingPipeline:
    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        backends: Mapping[type[ModelCard], EmbeddingBackend],
        *,
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``backends`` by the kind of the model's card; ``fallbacks`` gives the names of a model's fall-backs."""
        self._catalogue = catalogue
        self._settlement = settlement
        self._backends = backends
        self._fallbacks = fallbacks

    async def answer(
        self,
        request: EmbeddingRequest,
        principal: Principal,
        *,
        request_id: str,
        headers: MutableMapping[str, str] | None = None,
    ) -> Embeddings:
        """Returns when the request's usage event is committed. The answer's headers are added to ``headers``.

        Raises ApiError: 404 for an unknown model, 410 for a retired one, 403 for one that
        the caller may not use, 400 for inputs that can't be embedded, 429 if the request
        isn't admitted.
        """
        await self._catalogue.refresh()
        card = self._catalogue.embedding_card(request.model, principal)
        require_generation(principal, card.name, request.model)
        backend = self._backend(card)
        if backend is None:
            raise invalid(
                f"The model '{card.name}' generates text and makes no embeddings: ask an embedding model",
                param="model",
                code="not_an_embedding_model",
            )
        if principal.hops:
            request = replace(request, hops=principal.hops)
        has_fallbacks = not request.token_ids and not principal.hops  # see generation.fallbacks.Fallbacks.of
        fallbacks = self._fallbacks(card.name) if has_fallbacks else ()
        first_error: ApiError | None = None
        try:
            most_tokens = await backend.count(request, card)
        except ApiError as error:
            if not fallbacks or not may_fall_back(error):
                raise
            most_tokens, first_error = request.most_tokens, error
        charge = await self._settlement.open(
            principal, request_id, card.name, prompt_tokens=most_tokens, completion_tokens=0, headers=headers
        )
        outcome: Outcome = "cancelled"
        try:
            embeddings = await self._embed(
                request, card, backend, fallbacks=fallbacks, principal=principal, first_error=first_error
            )
            charge.computed(embeddings.embedded.tokens, 0)
            await charge.complete()
        except Exception:
            outcome = "failed"
            raise
        finally:
            charge.close(outcome)
        return Embeddings(embeddings.model, replace(embeddings.embedded, tokens=charge.prompt_tokens))

    async def _embed(
        self,
        request: EmbeddingRequest,
        card: ModelCard,
        backend: EmbeddingBackend,
        *,
        fallbacks: Sequence[str],
        principal: Principal,
        first_error: ApiError | None,
    ) -> Embeddings:
        """The embeddings of the first that embeds: the model, or one of its fall-backs.

        ``first_error``: why the model itself can't, if that is known already.
        """
        if first_error is None:
            try:
                return Embeddings(card.name, await backend.embed(request, card))
            except ApiError as error:
                if not fallbacks or not may_fall_back(error):
                    raise
                first_error = error
        for name in fallbacks:
            other = self._catalogue.get(name)
            if other is None or self._catalogue.is_retired(other) or (other_backend := self._backend(other)) is None:
                continue
            try:
                require_generation(principal, name)
                await other_backend.count(request, other)
                embedded = await other_backend.embed(request, other)
            except ApiError as error:
                log.warning("A fall-back can't answer", model=card.name, fallback=name, error=error.message)
            else:
                log.info("A fall-back answers", model=card.name, fallback=name)
                return Embeddings(name, embedded)
        raise first_error

    def _backend(self, card: ModelCard) -> EmbeddingBackend | None:
        return self._backends.get(type(card)) if card.embeddings else None
