"""A request of texts to read, from admission to its usage event, whichever backend computes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings.request import Embedded, EmbeddingRequest, ReadingRequest
from aquilon.errors import ApiError, invalid
from aquilon.generation.fallbacks import may_fall_back
from aquilon.log import get_logger
from aquilon.money.settlement import Settlement
from aquilon.money.usage_event import Outcome
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation

log = get_logger("aquilon.fallbacks")


class Result(Protocol):
    @property
    def tokens(self) -> int:
        """The tokens that the model read."""


Q = TypeVar("Q", bound=ReadingRequest)
R = TypeVar("R", bound=Result)
Request = TypeVar("Request", bound=ReadingRequest, contravariant=True)
Computed = TypeVar("Computed", bound=Result, covariant=True)


class Backend(Protocol[Request, Computed]):
    """Reads texts for one kind of model. Both methods raise ApiError."""

    async def count(self, request: Request, card: Any) -> int:
        """The tokens of all texts, or an upper bound: the request is charged for no more."""

    async def compute(self, request: Request, card: Any) -> Computed:
        """The result for all texts."""


EmbeddingBackend = Backend[EmbeddingRequest, Embedded]
"""Its result has a vector for each input, with ``request.dimensions`` if the request has them."""


@dataclass(frozen=True)
class Answered(Generic[R]):
    model: str
    """The name of the model that computed the result, not an alias."""
    result: R
    tokens: int
    """The tokens that are charged."""


class ReadingPipeline(Generic[Q, R], ABC):
    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        *,
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``fallbacks`` gives the names of a model's fall-backs."""
        self._catalogue = catalogue
        self._settlement = settlement
        self._fallbacks = fallbacks

    @abstractmethod
    def card(self, name: str, principal: Principal) -> ModelCard:
        """The model for a request that names ``name``. Raises ApiError 404 or 410."""

    @abstractmethod
    def _backend(self, card: ModelCard) -> Backend[Q, R] | None:
        """None for a model that can't answer such requests."""

    @abstractmethod
    def _unable(self, card: ModelCard) -> ApiError:
        """The error for such a model."""

    async def answer(
        self,
        request: Q,
        principal: Principal,
        *,
        request_id: str,
        headers: MutableMapping[str, str] | None = None,
    ) -> Answered[R]:
        """Returns when the request's usage event is committed. The answer's headers are added to ``headers``.

        Raises ApiError: 404 for an unknown model, 410 for a retired one, 403 for one that
        the caller may not use, 400 for texts that can't be read, 429 if the request
        isn't admitted.
        """
        await self._catalogue.refresh()
        card = self.card(request.model, principal)
        require_generation(principal, card.name, request.model)
        backend = self._backend(card)
        if backend is None:
            raise self._unable(card)
        if principal.hops:
            request = replace(request, hops=principal.hops)
        has_fallbacks = request.any_model_reads and not principal.hops  # see generation.fallbacks.Fallbacks.of
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
            model, result = await self._compute(
                request, card, backend, fallbacks=fallbacks, principal=principal, first_error=first_error
            )
            charge.computed(result.tokens, 0)
            await charge.complete()
        except Exception as error:
            outcome = "failed"
            charge.failed(error)
            raise
        finally:
            charge.close(outcome)
        return Answered(model, result, charge.prompt_tokens)

    async def _compute(
        self,
        request: Q,
        card: ModelCard,
        backend: Backend[Q, R],
        *,
        fallbacks: Sequence[str],
        principal: Principal,
        first_error: ApiError | None,
    ) -> tuple[str, R]:
        """The first model that answers, and its result: the requested model, or one of its fall-backs.

        ``first_error``: why the model itself can't, if that is known already.
        """
        if first_error is None:
            try:
                return card.name, await backend.compute(request, card)
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
                result = await other_backend.compute(request, other)
            except ApiError as error:
                log.warning("A fall-back can't answer", model=card.name, fallback=name, error=error.message)
            else:
                log.info("A fall-back answers", model=card.name, fallback=name)
                return name, result
        raise first_error


class EmbeddingPipeline(ReadingPipeline[EmbeddingRequest, Embedded]):
    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        backends: Mapping[type[ModelCard], EmbeddingBackend],
        *,
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``backends`` by the kind of the model's card."""
        super().__init__(catalogue, settlement, fallbacks=fallbacks)
        self._backends = backends

    def card(self, name: str, principal: Principal) -> ModelCard:
        return self._catalogue.embedding_card(name, principal)

    def _backend(self, card: ModelCard) -> EmbeddingBackend | None:
        return self._backends.get(type(card)) if card.embeddings else None

    def _unable(self, card: ModelCard) -> ApiError:
        return invalid(
            f"The model '{card.name}' makes no embeddings: ask an embedding model",
            param="model",
            code="not_an_embedding_model",
        )
