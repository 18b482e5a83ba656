"""The models that answer in a model's place, here or elsewhere: asked in order, until the first word has come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog

from aquilon.catalogue.catalogue import Catalogue, ModelCard
from aquilon.errors import ApiError
from aquilon.generation.prepared import Bounded, Prepared
from aquilon.money.settlement import Account
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_generation
from aquilon.request import Event, GenerationRequest, Started, TokenPrompt

log = structlog.get_logger("aquilon.fallbacks")


class House(Protocol):
    """Whoever answers for one kind of model: the engine here, upstreams."""

    async def prepare(
        self, request: GenerationRequest, card: Any, principal: Principal, *, patient: bool = True
    ) -> Prepared:
        """``card`` is of the kind that the house is for; ``patient``: wait for what will be back in a while.

        Raises ApiError.
        """


@dataclass(frozen=True)
class Unprepared(Bounded):
    """A `Prepared` for a model that can't be asked now: its fall-backs alone may answer."""

    reason: ApiError

    async def stream(self, position: int, account: Account) -> AsyncGenerator[Event]:
        raise self.reason
        yield  # type: ignore[unreachable]  # what makes it a generator


class Fallbacks:
    """Who takes whose place. A fall-back's own fall-backs are never asked, so that no chain loops."""

    def __init__(
        self,
        chains: Callable[[str], Sequence[str]],
        catalogue: Catalogue,
        houses: Mapping[type[ModelCard], House],
    ) -> None:
        """``chains``: the fall-backs of a model, in order."""
        self._chains = chains
        self._catalogue = catalogue
        self._houses = houses

    def of(self, model: str, request: GenerationRequest, principal: Principal) -> Sequence[str]:
        """None for a request in token ids, which are of one model's vocabulary, and for one by another Aquilon.

        Two servers that fall back to each other would pass it to and fro: the one that
        was asked first has fall-backs, or has none.
        """
        names = self._chains(model)
        if not names or principal.hops or _in_token_ids(request):
            return ()
        return names

    async def prepare(
        self, house: House, request: GenerationRequest, card: ModelCard, principal: Principal
    ) -> Prepared:
        """A model with fall-backs isn't waited for. Raises ApiError for what is the client's to change."""
        try:
            return await house.prepare(request, card, principal, patient=False)
        except ApiError as error:
            if not may_fall_back(error):
                raise
            return Unprepared(card, request, error)

    async def stream(
        self, first: Prepared, names: Sequence[str], principal: Principal, position: int, account: Account
    ) -> AsyncGenerator[Event]:
        """The events of the first that begins. Its Started tells who answers, where that isn't ``first``.

        Raises ApiError: the first's own where no fall-back can answer either.
        """
        failed: ApiError | None = None
        for place, name in enumerate(("", *names)):
            last = place == len(names)
            prepared = await self._stand_in(first, name, principal, patient=last) if name else first
            if prepared is None:
                continue
            async with aclosing(prepared.stream(position, account)) as events:
                try:
                    begun = await anext(events)
                except ApiError as error:
                    if failed is None and not may_fall_back(error):
                        raise
                    if failed is not None:
                        _log_refusal(first.model, name, error)
                    failed = failed or error
                    continue
                if name and isinstance(begun, Started):
                    log.info("A fall-back answers", model=first.model, fallback=name)
                    begun = msgspec.structs.replace(begun, stand_in=name)
                yield begun
                async for event in events:
                    yield event
                return
        assert failed is not None
        raise failed

    async def _stand_in(self, first: Prepared, name: str, principal: Principal, *, patient: bool) -> Prepared | None:
        """None where it can't be asked this: it is the model asked for that is told of, not its fall-back."""
        card = self._catalogue.get(name)
        house = self._houses.get(type(card)) if card is not None else None
        if card is None or house is None or self._catalogue.is_retired(card):
            return None
        try:
            require_generation(principal, name)
            return await house.prepare(first.request, card, principal, patient=patient)
        except ApiError as error:
            _log_refusal(first.model, name, error)
            return None


def may_fall_back(error: ApiError) -> bool:
    """Whether it is the model's trouble; what is the client's is told as it is."""
    return error.status >= 500


def _log_refusal(model: str, name: str, error: ApiError) -> None:
    log.warning("A fall-back can't answer", model=model, fallback=name, error=error.message)


def _in_token_ids(request: GenerationRequest) -> bool:
    sampling = request.sampling
    return isinstance(request.prompt, TokenPrompt) or bool(sampling.logit_bias) or bool(sampling.stop_token_ids)
